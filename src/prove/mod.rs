//! Proving, with the stock halo2 prover.
//!
//! Spec: `docs/spec/commitment.md#proof`. Order: statement, halo2's proof, span proof.

mod rng;

use crate::commitment::{Secret, SpanProof, SpanStatement, WeightVisibility};
use crate::keys::{ProvingKey, proof_tag};
use crate::proof::Proof;
use crate::srs::{Srs, SrsError};
use crate::statement::Statement;
use crate::transcript::{ProverTranscript, Recorded};
use crate::verify::{VerifyError, verify};
use ff::Field;
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1, G1Affine};
use halo2_proofs::plonk::{self, create_proof, keygen_pk};
use halo2_proofs::poly::kzg::commitment::{KZGCommitmentScheme, ParamsKZG};
use halo2_proofs::poly::kzg::multiopen::ProverSHPLONK;
use inferproof_circuits::layers::compile;
use inferproof_circuits::machine::{MachineCircuit, OMEGA_INDEX, PhaseOneInput};
use inferproof_circuits::network::{Trace, execute};
use inferproof_circuits::program::Program;
use inferproof_circuits::witness::{LaneRows, instance, phase_zero};
use inferproof_circuits::{CompileError, NetworkError};
use rand_core::{CryptoRng, RngCore};
use rng::OmegaTail;
use thiserror::Error;
use zeroize::Zeroizing;

/// A proof that cannot be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The input, or the model inside the key.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The model inside the key does not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The SRS.
    #[error(transparent)]
    Srs(#[from] SrsError),
    /// Another SRS than the key's.
    #[error("the key was made with SRS {expected}, this file is SRS {got}; use the file that setup was given")]
    OtherSrs {
        /// The key's.
        expected: String,
        /// The file's.
        got: String,
    },
    /// The model inside the key is not the one it commits to.
    #[error("the proving key contradicts itself: {0}; run setup again")]
    Inconsistent(String),
    /// The backend.
    #[error("the proving backend failed: {0}")]
    Backend(String),
}

/// A prover with everything loaded that proofs of one model share.
pub struct Prover {
    key: ProvingKey,
    program: Program,
    lanes: LaneRows,
    params: ParamsKZG<Bn256>,
    halo2: plonk::ProvingKey<G1Affine>,
    srs: crate::srs::SrsVerifier,
}

impl std::fmt::Debug for Prover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prover({:?})", self.key)
    }
}

impl Prover {
    /// Compiles the program of `key` and prepares its polynomials.
    ///
    /// Cost: the transforms of eleven columns.
    ///
    /// # Errors
    /// Another SRS than the key's, or a key that contradicts itself.
    pub fn new(key: ProvingKey, srs: &Srs) -> Result<Self, ProveError> {
        if srs.srs_id() != key.verifying.srs_id {
            return Err(ProveError::OtherSrs {
                expected: hex::encode(key.verifying.srs_id),
                got: hex::encode(srs.srs_id()),
            });
        }
        let program = compile(&key.model.architecture, key.layout)?;
        if program.k != key.verifying.k {
            return Err(ProveError::Inconsistent(format!("k is {}, the program needs {}", key.verifying.k, program.k)));
        }
        let params = srs.params(program.k)?;
        let lanes = LaneRows::new(&program, &key.model.architecture, &key.model.weights);
        let circuit = MachineCircuit::new(&program, None);
        let halo2 = keygen_pk(&params, key.verifying.halo2_proving(), &circuit).map_err(backend)?;
        Ok(Self { key, program, lanes, params, halo2, srs: srs.verifier_part() })
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &ProvingKey {
        &self.key
    }

    /// The key's program, as compiled from its architecture.
    #[must_use]
    pub const fn program(&self) -> &Program {
        &self.program
    }

    /// Runs the model on `input` (integers, row-major) without proving.
    ///
    /// # Errors
    /// Wrong length, or an element outside the declared range.
    pub fn run(&self, input: &[i64]) -> Result<Trace, ProveError> {
        Ok(execute(&self.key.model.architecture, &self.key.model.weights, input)?)
    }

    /// Proves that the committed model maps `input` to its output, for `context`.
    ///
    /// `rng` blinds the proof: pass the operating system's. The proof is verified before it is returned.
    ///
    /// # Errors
    /// An input outside the declared domain; otherwise only a key that contradicts itself.
    pub fn prove(&self, input: &[i64], context: [u8; 32], rng: impl RngCore + CryptoRng) -> Result<Proof, ProveError> {
        let trace = self.run(input)?;
        let proof = self.prove_trace(input, &trace, context, rng, None)?;
        verify(&self.key.verifying, &self.srs, &proof).map_err(|e: VerifyError| {
            ProveError::Inconsistent(format!("the proof made with it does not verify ({e})"))
        })?;
        Ok(proof)
    }

    /// Proves a given trace, which need not be an execution: what an attacker would do.
    fn prove_trace(
        &self,
        input: &[i64],
        trace: &Trace,
        context: [u8; 32],
        rng: impl RngCore + CryptoRng,
        attack: Option<&attack::Attack<'_>>,
    ) -> Result<Proof, ProveError> {
        let model = &self.key.model;
        let output = &trace.values[model.architecture.output];
        let statement = Statement {
            model_id: self.key.verifying.model_id(),
            context,
            input: self.program.input.encode(input),
            output: self.program.output.encode(output),
        };
        let instance = instance(&self.program, input, output);
        let mut phase0 = phase_zero(&self.program, &model.architecture, &model.weights, trace)
            .map_err(|e| ProveError::Inconsistent(e.to_string()))?;
        if let Some(change) = attack.and_then(|a| a.phase0) {
            change(&mut phase0);
        }
        let witness = PhaseOneInput { phase0: &phase0, lanes: &self.lanes, instance: &instance };
        let mut circuit = MachineCircuit::new(&self.program, Some(witness));
        if let Some(change) = attack.and_then(|a| a.phase1) {
            circuit = circuit.tampered(change);
        }
        self.finish(circuit, statement, &instance, rng)
    }

    fn finish(
        &self,
        circuit: MachineCircuit<'_>,
        statement: Statement,
        instance: &[Fr],
        mut rng: impl RngCore + CryptoRng,
    ) -> Result<Proof, ProveError> {
        let secret = self.key.verifying.weights.visibility == WeightVisibility::Secret;
        let mut tail = Zeroizing::new([Secret::default(); 2]);
        if secret {
            tail.iter_mut().for_each(|cell| cell.0 = Fr::random(&mut rng));
        }
        self.blinded(circuit, statement, instance, &tail, rng)
    }

    /// The proof in which `omega` has these two blinding cells.
    fn blinded(
        &self,
        circuit: MachineCircuit<'_>,
        statement: Statement,
        instance: &[Fr],
        tail: &[Secret; 2],
        mut rng: impl RngCore + CryptoRng,
    ) -> Result<Proof, ProveError> {
        let mut transcript = ProverTranscript::new(&statement.transcript_prefix());
        create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, _, _, _, _>(
            &self.params,
            &self.halo2,
            &[circuit],
            &[&[instance]],
            OmegaTail::new(&mut rng, tail),
            &mut transcript,
        )
        .map_err(backend)?;
        if self.key.verifying.weights.visibility == WeightVisibility::Secret {
            self.append_span_proof(&mut transcript, tail, &mut rng)?;
        }
        let mut bytes = proof_tag(self.key.verifying.shape).to_vec();
        bytes.extend(transcript.finish());
        Ok(Proof { statement, bytes })
    }

    fn append_span_proof(
        &self,
        transcript: &mut ProverTranscript,
        tail: &[Secret; 2],
        rng: impl RngCore + CryptoRng,
    ) -> Result<(), ProveError> {
        let missing = || ProveError::Backend("the transcript is incomplete".into());
        let channel = transcript.challenge(0).ok_or_else(missing)?;
        let omega = transcript.point_written(OMEGA_INDEX).ok_or_else(missing)?;
        let registered = self.key.opening.fold(channel);
        let delta = Zeroizing::new([0, 1].map(|i| Secret(tail[i].0 - registered[i].0)));
        let statement = SpanStatement {
            bases: self.srs.span(self.program.k)?,
            difference: G1::from(omega) - self.key.verifying.weights.fold(channel),
        };
        SpanProof::prove(&statement, &delta, rng, transcript).map_err(|e| ProveError::Backend(e.to_string()))
    }
}

fn backend(error: plonk::Error) -> ProveError {
    ProveError::Backend(error.to_string())
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
