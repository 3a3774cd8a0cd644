mod article;
mod by_hand;
mod diagnostics;
mod readme;
mod scenario;
