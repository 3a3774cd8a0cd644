mod article;
mod by_hand;
mod diagnostics;
mod scenario;
