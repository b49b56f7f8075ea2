//! Networks in segments on the chain.

use crate::story::{Story, model, srs};
use alloy_sol_types::{SolCall, SolError};
use inferproof::chain::{chain_id, interfaces, split, verify_chain};
use inferproof::evm::abi::{ChainVerifier as abi, InferenceVerifier};
use inferproof::evm::chain::Receipt;
use inferproof::evm::{Address, artefacts, chain_calldata, chain_deployment};
use inferproof::prove::Source;
use inferproof::{
    Interface, Optimise, Proof, Prover, QuantiseOptions, SetupOptions, TensorOpening, VerifyingKey, WeightVisibility,
    setup,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// Two segments of the small MLP, and a proof of each.
fn proved(context: u8) -> (Vec<VerifyingKey>, Vec<Proof>) {
    let (model, input) = model("digits_mlp", &QuantiseOptions::default());
    let segments = split(&model, 2).unwrap();
    let mut rng = StdRng::seed_from_u64(u64::from(context));
    let provers: Vec<Prover> = segments
        .iter()
        .zip(interfaces(Interface::default(), 2))
        .map(|(segment, interface)| {
            let options = SetupOptions {
                interface,
                optimise: Optimise::Gas,
                visibility: WeightVisibility::Secret,
                ..SetupOptions::default()
            };
            Prover::new(setup(segment, srs(), &options, StdRng::seed_from_u64(2)).unwrap().0, srs()).unwrap()
        })
        .collect();
    let boundary = provers[0].commit_output(&input, &mut rng).unwrap();
    let mut prove = |prover: &Prover, source: Source<'_>, given: Option<&TensorOpening>| {
        prover.prove_committed(source, given, [context; 32], &mut rng).unwrap().proof
    };
    let proofs = vec![
        prove(&provers[0], Source::Values(&input), Some(&boundary)),
        prove(&provers[1], Source::Opening(&boundary), None),
    ];
    (provers.iter().map(|prover| prover.key().verifying_key().clone()).collect(), proofs)
}

fn is<E: SolError>(receipt: &Receipt) -> bool {
    !receipt.success && receipt.output.starts_with(&E::SELECTOR)
}

#[test]
fn a_chain_is_verified_as_one() {
    let mut story = Story::new(srs());
    let (keys, proofs) = proved(7);
    let (_, elsewhere) = proved(8);
    verify_chain(&keys, &srs().verifier_part(), &proofs).unwrap();
    let code = chain_deployment(&artefacts::chain_verifier().bytecode, story.verifier);
    let contract: Address = story.chain.create(code).unwrap().created.unwrap();
    let call = |data: Vec<u8>, story: &mut Story| story.chain.call(contract, data).unwrap();
    let data = chain_calldata(&proofs).unwrap();
    assert!(is::<InferenceVerifier::ModelNotStored>(&call(data.clone(), &mut story)));
    keys.iter().for_each(|key| {
        story.store(key);
    });
    let receipt = call(data.clone(), &mut story);
    assert!(receipt.success, "{receipt:?}");
    // One pairing and one transaction for both.
    let apart: u64 = proofs.iter().map(|proof| story.verify(proof).gas).sum();
    assert!(receipt.gas < apart, "{} for {apart}", receipt.gas);
    println!("chain of two: {} gas, {apart} apart", receipt.gas);
    let ids: Vec<[u8; 32]> = keys.iter().map(VerifyingKey::model_id).collect();
    let name = abi::chainIdOfCall { models: ids.iter().map(Into::into).collect() };
    assert_eq!(call(name.abi_encode(), &mut story).output, chain_id(&ids));

    let decoded = abi::verifyChainCall::abi_decode(&data).unwrap();
    let mut changed = |change: &dyn Fn(&mut abi::verifyChainCall)| {
        let mut bad = decoded.clone();
        change(&mut bad);
        call(bad.abi_encode(), &mut story)
    };
    assert!(is::<abi::OtherChain>(&changed(&|c| c.chainId.0[0] ^= 1)));
    assert!(is::<abi::OtherChain>(&changed(&|c| c.models.reverse())));
    assert!(is::<abi::UnfitSegments>(&changed(&|c| {
        c.models.reverse();
        c.chainId = chain_id(&[ids[1], ids[0]]).into();
    })));
    assert!(is::<abi::EmptyChain>(&changed(&|c| {
        c.models.clear();
        c.chainId = chain_id(&[]).into();
    })));
    assert!(is::<abi::InvalidChainLength>(&changed(&|c| c.proofs.truncate(1))));
    assert!(is::<abi::InvalidChainLength>(&changed(&|c| c.boundaries.clear())));
    let other = &elsewhere[0].statement.output;
    assert_ne!(other, &proofs[0].statement.output);
    let failures: [&dyn Fn(&mut abi::verifyChainCall); 6] = [
        &|c| c.boundaries[0] = other.clone().into(),
        &|c| c.context.0[0] ^= 1,
        &|c| c.proofs.reverse(),
        &|c| c.proofs[0] = elsewhere[0].bytes.clone().into(),
        &|c| c.proofs[1] = elsewhere[1].bytes.clone().into(),
        &|c| c.output = [&c.output[..1], &c.output[..c.output.len() - 1]].concat().into(),
    ];
    for (index, change) in failures.iter().enumerate() {
        let receipt = changed(*change);
        assert!(!receipt.success && !receipt.output.is_empty(), "change {index}");
    }
}
