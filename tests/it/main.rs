mod diagnostics;
mod scenario;
