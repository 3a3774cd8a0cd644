pub mod engine;
pub mod model;
pub mod random;
pub mod report;
pub mod run;
pub mod scenario;
pub mod simulation;
pub mod units;
