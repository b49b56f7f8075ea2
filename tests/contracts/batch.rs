//! Several claims in one call, and the verifier that returns a bool.

use crate::story::{Story, digits_mlp, is, srs};
use alloy_sol_types::SolCall;
use inferproof::evm::abi::{Inference, InferenceVerifier as abi};
use inferproof::evm::batch_calldata;
use inferproof::{Proof, WeightVisibility};

const BOTH: [WeightVisibility; 2] = [WeightVisibility::Public, WeightVisibility::Secret];

#[test]
fn a_batch_holds_if_all_do() {
    let mut story = Story::new(srs());
    let [public, secret] = BOTH.map(digits_mlp);
    story.store(&public.key);
    story.store(&secret.key);
    let proofs = [public.proof(1), public.proof(2), secret.proof(3), secret.proof(4), public.proof(5)];
    for batch in [&proofs[..1], &proofs[..2], &proofs[1..3], &proofs[..], &[proofs[0].clone(), proofs[0].clone()]] {
        let receipt = story.call(batch_calldata(batch));
        assert!(receipt.success, "{}", batch.len());
    }
    assert!(is::<abi::EmptyBatch>(&story.call(batch_calldata(&[]))));
    let mut refused = |what: &str, change: &dyn Fn(&mut [Proof])| {
        let mut bad = proofs.clone();
        change(&mut bad);
        let receipt = story.call(batch_calldata(&bad));
        assert!(!receipt.success && !receipt.output.is_empty(), "{what}");
    };
    for index in 0..proofs.len() {
        refused("an output", &|p| p[index].statement.output[3] ^= 1);
        refused("a scalar", &|p| p[index].bytes[1187] ^= 1);
        refused("a context", &|p| p[index].statement.context[0] ^= 1);
        // The last opening point is a point like any other, and nothing but the pairing sees it.
        refused("an opening", &|p| p[index].bytes.copy_within(4..68, 2276));
        refused("the model", &|p| p[index].statement.model_id[0] ^= 1);
    }
    refused("openings exchanged", &|p| {
        let first: Vec<u8> = p[0].bytes[2276..2340].to_vec();
        let second: Vec<u8> = p[1].bytes[2276..2340].to_vec();
        p[0].bytes[2276..2340].copy_from_slice(&second);
        p[1].bytes[2276..2340].copy_from_slice(&first);
    });
    refused("statements exchanged", &|p| {
        let first = p[0].statement.clone();
        p[0].statement = p[1].statement.clone();
        p[0].statement.output[0] ^= 1;
        p[1].statement = first;
    });
    refused("responses of the span proof exchanged", &|p| {
        let second: Vec<u8> = p[3].bytes[2404..2468].to_vec();
        p[2].bytes[2404..2468].copy_from_slice(&second);
    });
}

/// Errors that would cancel without factors of their own.
#[test]
fn errors_do_not_cancel() {
    let (mut story, public) = (Story::new(srs()), digits_mlp(WeightVisibility::Public));
    story.store(&public.key);
    let mut batch = [public.proof(1), public.proof(1)];
    let negate = |proof: &mut Proof, at: usize| {
        // y -> q - y: the opposite point.
        let field = hex::decode("30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47").unwrap();
        let mut borrow = 0i16;
        for (byte, of) in proof.bytes[at + 32..at + 64].iter_mut().zip(&field).rev() {
            let difference = i16::from(*of) - i16::from(*byte) - borrow;
            borrow = i16::from(difference < 0);
            *byte = difference.rem_euclid(256) as u8;
        }
    };
    assert!(story.call(batch_calldata(&batch)).success);
    negate(&mut batch[1], 2276);
    assert!(is::<abi::InvalidProof>(&story.call(batch_calldata(&batch))));
    negate(&mut batch[0], 2276);
    assert!(is::<abi::InvalidProof>(&story.call(batch_calldata(&batch))));
}

/// Id zero means no key inside the contract.
#[test]
fn no_model_has_id_zero() {
    let (mut story, public) = (Story::new(srs()), digits_mlp(WeightVisibility::Public));
    story.store(&public.key);
    let good = public.proof(1);
    let mut zero = good.clone();
    (zero.statement.model_id, zero.statement.input, zero.statement.output) = ([0; 32], vec![], vec![]);
    for batch in [vec![zero.clone()], vec![zero.clone(), good.clone()], vec![good, zero.clone()]] {
        let receipt = story.call(batch_calldata(&batch));
        assert!(is::<abi::ModelNotStored>(&receipt), "{receipt:?}");
    }
    let receipt = story.verify(&zero);
    assert!(is::<abi::ModelNotStored>(&receipt) && receipt.gas < 200_000, "{receipt:?}");
}

#[test]
fn try_verify_says_yes_or_no() {
    for visibility in BOTH {
        let (mut story, proved) = (Story::new(srs()), digits_mlp(visibility));
        let proof = proved.proof(1);
        let call = |proof: &Proof| {
            let s = &proof.statement;
            abi::tryVerifyCall {
                modelId: s.model_id.into(),
                input: s.input.clone().into(),
                output: s.output.clone().into(),
                context: s.context.into(),
                proof: proof.bytes.clone().into(),
            }
            .abi_encode()
        };
        let answer = |story: &mut Story, proof: &Proof| {
            let receipt = story.call(call(proof));
            assert!(receipt.success);
            abi::tryVerifyCall::abi_decode_returns(&receipt.output).unwrap()
        };
        assert!(!answer(&mut story, &proof), "not stored");
        story.store(&proved.key);
        assert!(answer(&mut story, &proof));
        let changes: [&dyn Fn(&mut Proof); 4] =
            [&|p| p.bytes[9] ^= 1, &|p| p.statement.output[0] ^= 1, &|p| p.bytes.truncate(7), &|p| {
                p.bytes[4..68].fill(0)
            }];
        for change in changes {
            let mut bad = proof.clone();
            change(&mut bad);
            assert!(!answer(&mut story, &bad));
        }
        // Too little gas is no answer.
        let full = story.call(call(&proof)).gas;
        for gas in (150_000..full).step_by(20_000) {
            let receipt = story.chain.call_with_gas(story.verifier, call(&proof), gas).unwrap();
            assert!(!receipt.success, "{gas} gas");
        }
    }
}

#[test]
fn an_inference_is_what_the_abi_says() {
    let proof = digits_mlp(WeightVisibility::Public).proof(1);
    let decoded = abi::verifyBatchCall::abi_decode(&batch_calldata(std::slice::from_ref(&proof))).unwrap();
    let [Inference { modelId, input, output, context, proof: bytes }] = &decoded.inferences[..] else { panic!("one") };
    assert_eq!(modelId, &proof.statement.model_id);
    assert_eq!(context, &proof.statement.context);
    assert_eq!(
        (&input[..], &output[..], &bytes[..]),
        (&proof.statement.input[..], &proof.statement.output[..], &proof.bytes[..])
    );
}
