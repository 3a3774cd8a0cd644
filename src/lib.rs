pub mod engine;
pub mod random;
pub mod units;
