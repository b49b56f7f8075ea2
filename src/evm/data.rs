//! What goes to the chain: calldata, keys, constructor data, contexts.

use super::abi;
use crate::artefact::{encode_g1, encode_g2};
use crate::chain::chain_id;
use crate::keys::VerifyingKey;
use crate::proof::Proof;
use crate::srs::{SrsError, SrsVerifier};
use alloy_sol_types::{SolCall, SolConstructor, SolValue};
use inferproof_circuits::layers::MAX_K;
use sha3::{Digest, Keccak256};

/// Least `k` of a program, hence of the points a verifier contract holds.
const MIN_K: u32 = 4;

/// A 20-byte address.
pub type Address = [u8; 20];

/// The constructor data of a verifier contract: what it needs of an SRS. At most 4,162 bytes.
///
/// One byte 0 or 1, whether the SRS is for development; one byte, the greatest `k`; `[tau]_2`; for each `k` from 4 on the
/// Lagrange points of the last two rows and of the link row.
///
/// # Errors
/// The SRS is for circuits of fewer than `2^4` rows.
pub fn srs_data(srs: &SrsVerifier) -> Result<Vec<u8>, SrsError> {
    let k = srs.k().min(MAX_K);
    let mut data = vec![u8::from(srs.insecure()), k as u8];
    data.extend(encode_g2(&srs.s_g2()));
    for k in MIN_K..=k.max(MIN_K) {
        srs.span(k)?.iter().chain([&srs.link(k)?]).for_each(|point| data.extend(encode_g1(point)));
    }
    Ok(data)
}

/// Creation code of a verifier contract: `bytecode` with the constructor's argument behind it.
///
/// # Errors
/// As [`srs_data`].
pub fn deployment(bytecode: &[u8], srs: &SrsVerifier) -> Result<Vec<u8>, SrsError> {
    let arguments = abi::InferenceVerifier::constructorCall { srs: srs_data(srs)?.into() }.abi_encode();
    Ok([bytecode, &arguments].concat())
}

/// A model's key as the contract stores it: what its ids hash, the program's part and then the weights'.
#[must_use]
pub fn model_data(key: &VerifyingKey) -> Vec<u8> {
    [key.program_preimage(), key.weights().preimage()].concat()
}

/// Calldata of `storeKey`.
#[must_use]
pub fn store_calldata(key: &VerifyingKey) -> Vec<u8> {
    abi::InferenceVerifier::storeKeyCall { key: model_data(key).into() }.abi_encode()
}

/// Calldata of `verify`.
#[must_use]
pub fn verify_calldata(proof: &Proof) -> Vec<u8> {
    let abi::Inference { modelId, input, output, context, proof } = inference(proof);
    abi::InferenceVerifier::verifyCall { modelId, input, output, context, proof }.abi_encode()
}

/// Calldata of `verifyBatch`. Claims of one model belong side by side: they share the work on its key.
#[must_use]
pub fn batch_calldata(proofs: &[Proof]) -> Vec<u8> {
    abi::InferenceVerifier::verifyBatchCall { inferences: proofs.iter().map(inference).collect() }.abi_encode()
}

/// Creation code of a `ChainVerifier` for a verifier that is deployed.
#[must_use]
pub fn chain_deployment(bytecode: &[u8], verifier: Address) -> Vec<u8> {
    let arguments = abi::ChainVerifier::constructorCall { verifier_: verifier.into() }.abi_encode();
    [bytecode, &arguments].concat()
}

/// Calldata of `verifyChain` for the proofs of a chain's segments, in order. `None` for no proof at all.
///
/// Claims what the proofs say; whether they are of one chain is for the contract, and for [`crate::chain::verify_chain`].
#[must_use]
pub fn chain_calldata(proofs: &[Proof]) -> Option<Vec<u8>> {
    let (first, last) = (proofs.first()?, proofs.last()?);
    let models: Vec<[u8; 32]> = proofs.iter().map(|proof| proof.statement.model_id).collect();
    let boundaries = proofs[..proofs.len() - 1].iter().map(|proof| proof.statement.output.clone().into());
    let call = abi::ChainVerifier::verifyChainCall {
        chainId: chain_id(&models).into(),
        models: models.iter().map(Into::into).collect(),
        input: first.statement.input.clone().into(),
        boundaries: boundaries.collect(),
        output: last.statement.output.clone().into(),
        context: first.statement.context.into(),
        proofs: proofs.iter().map(|proof| proof.bytes.clone().into()).collect(),
    };
    Some(call.abi_encode())
}

fn inference(proof: &Proof) -> abi::Inference {
    let statement = &proof.statement;
    abi::Inference {
        modelId: statement.model_id.into(),
        input: statement.input.clone().into(),
        output: statement.output.clone().into(),
        context: statement.context.into(),
        proof: proof.bytes.clone().into(),
    }
}

/// What a proof is for: a request of a contract on a chain, who benefits of it, and until when.
///
/// The same digest as `InferenceContext.digest` in `contracts/InferenceContext.sol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UseContext {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The contract that asks.
    pub consumer: Address,
    /// Its name for the request.
    pub request: [u8; 32],
    /// Who benefits.
    pub beneficiary: Address,
    /// Unix time in seconds until which the proof is to be used.
    pub expiry: u64,
}

impl UseContext {
    /// The 32 bytes to prove with.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let kind = Keccak256::digest(
            b"InferenceContext(uint256 chainId,address consumer,bytes32 request,address beneficiary,uint256 expiry)",
        );
        let address = alloy_sol_types::private::Address::from;
        let number = alloy_sol_types::private::U256::from::<u64>;
        let fields = (
            <[u8; 32]>::from(kind),
            number(self.chain_id),
            address(self.consumer),
            self.request,
            address(self.beneficiary),
            number(self.expiry),
        );
        Keccak256::digest(fields.abi_encode()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Address {
        let mut address = [0; 20];
        address[19] = last;
        address
    }

    /// Known answers of `InferenceContext.digest`, computed by another implementation of the ABI.
    #[test]
    fn contexts_are_the_contract_s() {
        let mut request = [0; 32];
        request[31] = 7;
        let usage = UseContext {
            chain_id: 1,
            consumer: address(0xc0),
            request,
            beneficiary: address(0xbe),
            expiry: 1_893_456_000,
        };
        let expected = "66ad8f268ea63d0bab496daf2fd8e0365676d168878754230b828f3c9a4269bf";
        assert_eq!(hex::encode(usage.digest()), expected);
        for other in [
            UseContext { chain_id: 2, ..usage },
            UseContext { consumer: address(1), ..usage },
            UseContext { request: [7; 32], ..usage },
            UseContext { beneficiary: address(1), ..usage },
            UseContext { expiry: 0, ..usage },
        ] {
            assert_ne!(other.digest(), usage.digest());
        }
    }
}
