//! Runs the shipped contract in memory on a key and proofs, and says what the chain would charge.

use super::abi::InferenceVerifier::InferenceVerifierErrors;
use super::artefacts;
use super::chain::{Chain, ChainError, Fork, Receipt};
use super::data::{Address, batch_calldata, deployment, store_calldata, verify_calldata};
use crate::keys::VerifyingKey;
use crate::proof::Proof;
use crate::srs::{SrsError, SrsVerifier};
use alloy_sol_types::SolInterface;
use inferproof_circuits::machine::Shape;
use serde::Serialize;
use thiserror::Error;

/// A step that the chain did not accept.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The SRS.
    #[error(transparent)]
    Srs(#[from] SrsError),
    /// A transaction that is not valid at all.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The contract reverted.
    #[error("{step}: the contract reverted with {reason}")]
    Refused {
        /// What was done.
        step: String,
        /// What the contract said.
        reason: String,
    },
}

/// Total gas of each transaction, calldata included; every account is cold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GasReport {
    /// The rules it was measured under.
    pub fork: Fork,
    /// Bytes of the verifier's code.
    pub code_bytes: usize,
    /// Deploying the verifier for this SRS.
    pub deployment: u64,
    /// Storing the model's key.
    pub store_key: u64,
    /// Verifying each proof by itself.
    pub verify: Vec<u64>,
    /// Verifying all of them in one call, if there are several.
    pub batch: Option<u64>,
}

/// A verifier deployed on a chain in memory.
pub struct Deployed {
    chain: Chain,
    verifier: Address,
    fork: Fork,
    deployment: u64,
}

impl Deployed {
    /// Deploys the shipped verifier of a shape with the constants of `srs`.
    ///
    /// # Errors
    /// The SRS is too small, or the contract refuses it.
    pub fn new(shape: Shape, srs: &SrsVerifier, fork: Fork) -> Result<Self, CheckError> {
        let mut chain = Chain::new(fork);
        let receipt = chain.create(deployment(&artefacts::verifier(shape).bytecode, srs)?)?;
        match receipt.created {
            Some(verifier) => Ok(Self { chain, verifier, fork, deployment: receipt.gas }),
            None => Err(refused("deploy", &receipt)),
        }
    }

    /// Gas of the deployment.
    #[must_use]
    pub const fn deployment_gas(&self) -> u64 {
        self.deployment
    }

    /// Stores a model's key; returns the gas.
    ///
    /// # Errors
    /// The contract refuses it.
    pub fn store(&mut self, key: &VerifyingKey) -> Result<u64, CheckError> {
        self.send("store the key", store_calldata(key))
    }

    /// Verifies a proof; returns the gas.
    ///
    /// # Errors
    /// The contract refuses it.
    pub fn verify(&mut self, proof: &Proof) -> Result<u64, CheckError> {
        self.send("verify", verify_calldata(proof))
    }

    /// Verifies several proofs in one call; returns the gas.
    ///
    /// # Errors
    /// The contract refuses one of them.
    pub fn verify_batch(&mut self, proofs: &[Proof]) -> Result<u64, CheckError> {
        self.send("verify the batch", batch_calldata(proofs))
    }

    /// What the verifier says to any calldata.
    pub(super) fn call(&mut self, data: Vec<u8>) -> Result<Receipt, ChainError> {
        self.chain.call(self.verifier, data)
    }

    fn send(&mut self, step: &str, data: Vec<u8>) -> Result<u64, CheckError> {
        let receipt = self.call(data)?;
        if receipt.success { Ok(receipt.gas) } else { Err(refused(step, &receipt)) }
    }
}

pub(super) fn refused(step: &str, receipt: &Receipt) -> CheckError {
    let reason = match InferenceVerifierErrors::abi_decode(&receipt.output) {
        // An enum's variant around the struct of the error, which says it all.
        Ok(error) => {
            let shown = format!("{error:?}");
            shown.split_once('(').and_then(|(_, inner)| inner.strip_suffix(')')).unwrap_or(&shown).to_string()
        }
        Err(_) if receipt.output.is_empty() => "nothing: out of gas".into(),
        Err(_) => format!("0x{}", hex::encode(&receipt.output)),
    };
    CheckError::Refused { step: step.into(), reason }
}

/// Deploys the verifier, stores `key`, verifies every proof by itself and all together.
///
/// # Errors
/// The first step that the contract refuses.
pub fn check(key: &VerifyingKey, srs: &SrsVerifier, proofs: &[Proof], fork: Fork) -> Result<GasReport, CheckError> {
    let mut deployed = Deployed::new(key.shape(), srs, fork)?;
    let store_key = deployed.store(key)?;
    let verify = proofs.iter().map(|proof| deployed.verify(proof)).collect::<Result<_, _>>()?;
    let batch = if proofs.len() > 1 { Some(deployed.verify_batch(proofs)?) } else { None };
    Ok(GasReport {
        fork: deployed.fork,
        code_bytes: artefacts::verifier(key.shape()).deployed_bytecode.len(),
        deployment: deployed.deployment,
        store_key,
        verify,
        batch,
    })
}
