//! Many runs: a grid or a sample of cells, each a scenario with some of its values replaced, times the same seeds for all.
//!
//! Threads work between runs, never inside of one, and results come out in the order of the cells: the bytes that are made
//! of them do not depend on the number of threads.

pub mod axis;
pub mod design;
pub mod plan;
pub mod play;
pub mod quantity;
