//! Proving.
//!
//! Spec: `docs/spec/commitment.md#proof`. Order: statement, mask, halo2's proof, link proof, span proof.

mod backend;
mod error;
mod openings;
mod progress;
mod ranges;
mod rounds;

use backend::{Backend, Registered};
use progress::{UNWATCHED, begin};

pub use error::ProveError;
pub use openings::{Openings, Proved, Source};
pub use progress::{Observer, Step};
pub use ranges::prove_range;

use crate::commitment::{Mask, Secret, TensorOpening, WeightVisibility};
use crate::engine::{COPY_COLUMNS, CpuEngine, Engine, PIECES, Shape};
use crate::keys::ProvingKey;
use crate::proof::Proof;
use crate::srs::Srs;
use crate::statement::Statement;
use crate::verify::{VerifyError, verify};
use ff::Field;
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use inferproof_circuits::interface::{End, Visibility};
use inferproof_circuits::layers::compile;
use inferproof_circuits::machine::{MachineCircuit, PhaseOneInput};
use inferproof_circuits::network::{Trace, execute_batch};
use inferproof_circuits::plan::prover_bytes;
use inferproof_circuits::program::Program;
use inferproof_circuits::witness::{LaneRows, Link, instance, phase_zero, tensor_polynomial};
use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

/// What a proof is made for.
struct Claim {
    statement: Statement,
    instance: Vec<Fr>,
    linked: Option<Linked>,
}

/// The committed tensors of a proof.
struct Linked {
    mask: Option<G1Affine>,
    link: Link,
}

/// A prover with everything loaded that proofs of one model share, on an engine.
pub struct Prover<E: Engine = CpuEngine> {
    key: ProvingKey,
    lanes: LaneRows,
    backend: Backend<E>,
}

/// What a prover may take.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProverOptions {
    /// Bytes of memory that the process may have at most, by prediction ([`prover_bytes`]).
    pub memory_limit: Option<u64>,
    /// Whether many proofs are to be made: what they share is kept, where memory allows it.
    pub many: bool,
}

impl ProverOptions {
    /// Trades kept cosets for computing them again, and refuses what cannot fit.
    fn engine(&self, k: u32, shape: Shape) -> Result<CpuEngine, ProveError> {
        let (needed, limit) = (prover_bytes(k, shape), self.memory_limit.unwrap_or(u64::MAX));
        if needed > limit {
            return Err(ProveError::Memory { k, needed: needed.div_ceil(1 << 20), limit: limit >> 20 });
        }
        let keep_cosets = self.many && needed + (kept_bytes(shape) << k) <= limit;
        Ok(CpuEngine { keep_cosets, ..CpuEngine::default() })
    }
}

/// Bytes a row of what [`CpuEngine::keep_cosets`] keeps.
const fn kept_bytes(shape: Shape) -> u64 {
    32 * (PIECES * (shape.fixed() + COPY_COLUMNS + 1)) as u64
}

impl<E: Engine> std::fmt::Debug for Prover<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prover({:?})", self.key)
    }
}

impl Prover {
    /// Compiles the program of `key` and prepares its polynomials.
    ///
    /// Cost: the transforms of the fixed and copy columns, twelve or fourteen by shape. A prover serves any number of proofs.
    ///
    /// # Errors
    /// Another SRS than the key's, or a key that contradicts itself.
    pub fn new(key: ProvingKey, srs: &Srs) -> Result<Self, ProveError> {
        Self::with_options(key, srs, ProverOptions::default())
    }

    /// As [`Self::new`], within a limit on memory, or for many proofs.
    ///
    /// # Errors
    /// As [`Self::new`], and [`ProveError::Memory`].
    pub fn with_options(key: ProvingKey, srs: &Srs, options: ProverOptions) -> Result<Self, ProveError> {
        let engine = options.engine(key.verifying.k, key.verifying.shape)?;
        Self::with_engine(engine, key, srs)
    }
}

impl<E: Engine> Prover<E> {
    /// As [`Prover::new`], on another engine: the same proofs from the same `rng`.
    ///
    /// # Errors
    /// As [`Prover::new`], and what the engine has.
    pub fn with_engine(engine: E, key: ProvingKey, srs: &Srs) -> Result<Self, ProveError> {
        key.check_srs(srs)?;
        let k = key.verifying.k;
        let backend = Backend::new(engine, k, srs, || {
            let program = compile(&key.model.architecture, key.verifying.io.interface, key.layout)?;
            match program.k == k {
                true => Ok(program),
                false => Err(ProveError::Inconsistent(format!("k is {k}, the program needs {}", program.k))),
            }
        })?;
        let lanes = LaneRows::new(&backend.program, &key.model.architecture, &key.model.weights);
        Ok(Self { key, lanes, backend })
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &ProvingKey {
        &self.key
    }

    /// The key's program, as compiled from its architecture.
    #[must_use]
    pub const fn program(&self) -> &Program {
        &self.backend.program
    }

    /// Runs the model on `input` (integers, row-major) without proving. Where a proof has several inputs, they are one after the other, and so is
    /// what comes of them.
    ///
    /// # Errors
    /// Wrong length, or an element outside the declared range.
    pub fn run(&self, input: &[i64]) -> Result<Trace, ProveError> {
        let batch = self.key.layout.batch;
        Ok(execute_batch(&self.key.model.architecture, &self.key.model.weights, input, batch)?)
    }

    /// Proves that the committed model maps `input` to its output, for `context`.
    ///
    /// `rng` blinds the proof: pass the operating system's. The proof is verified before it is returned.
    ///
    /// # Errors
    /// An input outside the declared domain; input or output are committed, see [`Self::prove_committed`]; otherwise only a key that
    /// contradicts itself.
    pub fn prove(&self, input: &[i64], context: [u8; 32], rng: impl RngCore + CryptoRng) -> Result<Proof, ProveError> {
        if self.backend.program.interface.is_linked() {
            return Err(ProveError::Committed);
        }
        Ok(self.prove_committed(Source::Values(input), None, context, rng)?.proof)
    }

    /// As [`Self::prove`], for a model whose input or output is committed: returns what opens the commitments in the proof's statement too.
    ///
    /// From [`Source::Opening`] the proof speaks of that very commitment; from values a fresh one is made. An output is committed to afresh,
    /// unless the model takes a given one: then the proof speaks of `given`, or of a fresh one that is made if there is none.
    ///
    /// # Errors
    /// As [`Self::prove`]; an opening of another tensor or SRS, or of a tensor that this model does not take committed.
    pub fn prove_committed(
        &self,
        input: Source<'_>,
        given: Option<&TensorOpening>,
        context: [u8; 32],
        rng: impl RngCore + CryptoRng,
    ) -> Result<Proved, ProveError> {
        self.prove_observed(input, given, context, rng, UNWATCHED)
    }

    /// As [`Self::prove_committed`], while `observer` is told of each step and may end it.
    ///
    /// # Errors
    /// As [`Self::prove_committed`], and [`ProveError::Cancelled`].
    pub fn prove_observed(
        &self,
        input: Source<'_>,
        given: Option<&TensorOpening>,
        context: [u8; 32],
        mut rng: impl RngCore + CryptoRng,
        observer: Observer<'_>,
    ) -> Result<Proved, ProveError> {
        begin(observer, Step::Witness)?;
        let values = match input {
            Source::Values(values) => values,
            Source::Opening(opening) => self.accept(End::Input, opening)?,
        };
        let trace = self.run(values)?;
        let output = &trace.values[self.key.model.architecture.output];
        if let Some(given) = given
            && self.accept(End::Output, given)? != output
        {
            return Err(ProveError::OtherOutput);
        }
        let interface = self.backend.program.interface;
        let mut openings = Openings::default();
        // What is committed to afresh is for this statement alone: the input comes first.
        let mut purpose = [self.key.verifying.model_id(), context].concat();
        for end in interface.committed() {
            let opening = match (end, input, given) {
                (End::Input, Source::Opening(opening), _) | (End::Output, _, Some(opening)) => opening.clone(),
                (End::Input, Source::Values(values), _) => self.commit(end, values, &purpose, &mut rng)?,
                (End::Output, _, None) => self.commit(end, output, &purpose, &mut rng)?,
            };
            purpose.extend(opening.commitment().bytes());
            *openings.of_mut(end) = Some(opening);
        }
        let proof = self.prove_trace(values, &trace, &openings, context, rng, None, observer)?;
        begin(observer, Step::Verify)?;
        verify(&self.key.verifying, &self.backend.srs, &proof).map_err(|e: VerifyError| {
            ProveError::Inconsistent(format!("the proof made with it does not verify ({e})"))
        })?;
        Ok(Proved { proof, openings })
    }

    /// Runs the model and commits to its output: what a proof takes as given, made before it.
    ///
    /// # Errors
    /// An input outside the declared domain; a model whose output is not a given one.
    pub fn commit_output(&self, input: &[i64], rng: impl RngCore + CryptoRng) -> Result<TensorOpening, ProveError> {
        if self.backend.program.interface.output != Visibility::Given {
            return Err(ProveError::NotCommitted { tensor: "output" });
        }
        let trace = self.run(input)?;
        self.commit(End::Output, &trace.values[self.key.model.architecture.output], &[], rng)
    }

    /// The values of an opening, if this model takes one for that tensor.
    fn accept<'a>(&self, end: End, opening: &'a TensorOpening) -> Result<&'a [i64], ProveError> {
        let io = &self.key.verifying.io;
        let (tensor, taken) = match end {
            End::Input => ("input", io.interface.input == Visibility::Committed),
            End::Output => ("output", io.interface.output == Visibility::Given),
        };
        if !taken {
            return Err(ProveError::NotCommitted { tensor });
        }
        let (expected, got) = (io.of(end), opening.commitment().spec());
        if expected != got {
            return Err(ProveError::OtherTensor { tensor, expected: expected.to_string(), got: got.to_string() });
        }
        opening.check_with(self.backend.srs.srs_id(), &self.backend.powers)?;
        Ok(opening.values())
    }

    fn commit(
        &self,
        end: End,
        values: &[i64],
        purpose: &[u8],
        rng: impl RngCore + CryptoRng,
    ) -> Result<TensorOpening, ProveError> {
        let spec = self.key.verifying.io.of(end).clone();
        Ok(TensorOpening::commit_with(spec, values, self.backend.srs.srs_id(), &self.backend.powers, purpose, rng)?)
    }

    /// Proves a given trace, which need not be an execution: what an attacker would do.
    #[expect(clippy::too_many_arguments, reason = "an attack and an observer beside what a proof takes")]
    fn prove_trace(
        &self,
        input: &[i64],
        trace: &Trace,
        openings: &Openings,
        context: [u8; 32],
        mut rng: impl RngCore + CryptoRng,
        attack: Option<&attack::Attack<'_>>,
        observer: Observer<'_>,
    ) -> Result<Proof, ProveError> {
        let model = &self.key.model;
        let output = &trace.values[model.architecture.output];
        let shown = |end, values: &[i64]| match (self.backend.program.interface.of(end), openings.of(end)) {
            (Visibility::Public, _) => self.backend.program.packing(end).encode(values),
            (_, Some(opening)) => opening.commitment().bytes().to_vec(),
            (_, None) => vec![],
        };
        let statement = Statement {
            model_id: self.key.verifying.model_id(),
            context,
            input: shown(End::Input, input),
            output: shown(End::Output, output),
        };
        let instance = instance(&self.backend.program, input, output);
        let linked = self.linked(&statement, openings, &mut rng)?;
        let claim = Claim { statement, instance, linked };
        let link = claim.linked.as_ref().map(|linked| linked.link.clone());
        let mut phase0 = phase_zero(&self.backend.program, &model.architecture, &model.weights, trace, link)
            .map_err(|e| ProveError::Inconsistent(e.to_string()))?;
        if let Some(change) = attack.and_then(|a| a.phase0) {
            change(&mut phase0);
        }
        let witness = PhaseOneInput { phase0: &phase0, lanes: &self.lanes, instance: &claim.instance };
        let mut circuit = MachineCircuit::new(&self.backend.program, Some(witness));
        if let Some(change) = attack.and_then(|a| a.phase1) {
            circuit = circuit.tampered(change);
        }
        let secret = self.key.verifying.weights.visibility == WeightVisibility::Secret;
        let mut tail = Zeroizing::new([Secret::default(); 2]);
        if secret {
            tail.iter_mut().for_each(|cell| cell.0 = Fr::random(&mut rng));
        }
        self.backend.blinded(self.registered(), circuit, &claim, &tail, rng, observer)
    }

    const fn registered(&self) -> Registered<'_> {
        Registered { key: &self.key.verifying, opening: &self.key.opening }
    }

    /// The polynomials behind the commitments, and a fresh mask if one is needed; `None` if nothing is committed.
    fn linked(
        &self,
        statement: &Statement,
        openings: &Openings,
        rng: impl RngCore + CryptoRng,
    ) -> Result<Option<Linked>, ProveError> {
        let interface = self.backend.program.interface;
        if !interface.is_linked() {
            return Ok(None);
        }
        let mut polynomials = vec![Zeroizing::default(); interface.polynomials()];
        for end in interface.committed() {
            let opening = openings.of(end).ok_or(ProveError::Committed)?;
            polynomials[interface.number(end)] = opening.polynomial();
        }
        let mut mask = None;
        if interface.is_masked() {
            let secrets = polynomials.iter().flat_map(|polynomial| polynomial.iter());
            let fresh = Mask::fresh(&self.backend.powers, &statement.transcript_prefix(), secrets, rng);
            let fresh = fresh.ok_or_else(|| ProveError::Backend("the SRS is too small for a mask".into()))?;
            mask = Some(fresh.point);
            polynomials[0] = tensor_polynomial(&fresh.cells, &[]);
        }
        Ok(Some(Linked { mask, link: Link::new(polynomials) }))
    }
}

pub(crate) mod attack {
    //! Changes to a witness between its making and its proof, for tests.

    use inferproof_circuits::machine::Tamper;
    use inferproof_circuits::witness::PhaseZero;

    /// What to change.
    #[derive(Clone, Copy, Default)]
    pub(crate) struct Attack<'a> {
        pub(crate) phase0: Option<&'a dyn Fn(&mut PhaseZero)>,
        pub(crate) phase1: Option<Tamper<'a>>,
    }
}

#[cfg(test)]
mod tests;
