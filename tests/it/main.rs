mod conservation;
mod determinism;
mod diagnostics;
mod layers;
mod queueing;
mod support;
mod twin;
