mod by_hand;
mod diagnostics;
