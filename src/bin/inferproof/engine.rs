//! Which engine proves: `--engine`.

use crate::failure::Failure;
use clap::ValueEnum;
use inferproof::engine::Engine;
use inferproof::prove::{ProveError, Prover};

/// What proofs are computed on.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineName {
    /// A CUDA device if there is one that can do it, else the processor.
    Auto,
    /// The processor.
    Cpu,
    /// A CUDA device, or nothing.
    Cuda,
}

/// Work that any engine can do.
pub(crate) trait Work {
    type Done;

    /// Does it with a prover of the engine `name`, which `load` makes.
    fn run<E: Engine>(
        &mut self,
        name: &str,
        load: impl FnOnce() -> Result<Prover<E>, ProveError>,
    ) -> Result<Self::Done, Interrupted>;

    /// Does it on the processor.
    fn run_on_processor(&mut self) -> Result<Self::Done, Interrupted>;

    /// Does it on a device.
    #[cfg(feature = "cuda")]
    fn run_on_device(&mut self, engine: inferproof::engine::CudaEngine) -> Result<Self::Done, Interrupted>;
}

/// Why work was not done.
pub(crate) enum Interrupted {
    /// The engine: another one may do it.
    Engine(String),
    /// Anything else.
    Failure(Failure),
}

impl From<Failure> for Interrupted {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<ProveError> for Interrupted {
    fn from(error: ProveError) -> Self {
        match error {
            ProveError::Engine(error) => Self::Engine(error.to_string()),
            other => Self::Failure(other.into()),
        }
    }
}

impl From<Interrupted> for Failure {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::Engine(message) => Self::Unusable(message),
            Interrupted::Failure(failure) => failure,
        }
    }
}

impl EngineName {
    /// Does the work on the engine of this name. `auto` says in one line why it does not take the device.
    #[cfg(feature = "cuda")]
    pub(crate) fn run<W: Work>(self, work: &mut W) -> Result<W::Done, Failure> {
        use inferproof::engine::CudaEngine;
        if self == Self::Cpu {
            return Ok(work.run_on_processor()?);
        }
        let on_device = CudaEngine::open(0).map_err(|error| Interrupted::Engine(error.to_string()));
        match on_device.and_then(|engine| work.run_on_device(engine)) {
            Err(Interrupted::Engine(message)) if self == Self::Auto => {
                eprintln!("not on a CUDA device, but on the processor: {message}");
                Ok(work.run_on_processor()?)
            }
            done => Ok(done?),
        }
    }

    /// Does the work on the processor: this build knows no other.
    #[cfg(not(feature = "cuda"))]
    pub(crate) fn run<W: Work>(self, work: &mut W) -> Result<W::Done, Failure> {
        if self == Self::Cuda {
            let message = "this build has no CUDA engine; build it with `--features cuda`, or use `--engine cpu`";
            return Err(Failure::Unusable(message.into()));
        }
        Ok(work.run_on_processor()?)
    }
}
