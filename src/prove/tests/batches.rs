//! Several inputs in one proof: each has its own output, and nothing passes from one to another.

use super::*;
use inferproof_circuits::NetworkError;
use inferproof_circuits::network::{Op, Trace};

const INPUTS: usize = 3;

/// Both networks, without limbs and with them: one input a proof, and several.
fn pairs() -> Vec<[Fixture; 2]> {
    let layouts = [None, Some(Layout { limb: Some(3), ..Layout::direct(2) })];
    let of = |layout: Option<Layout>, batch, model| {
        let layout = layout.map(|layout| Layout { batch, ..layout });
        Fixture::new(model, &SetupOptions { layout, batch, ..SetupOptions::default() })
    };
    let pair = |layout, model: fn(u64) -> Model| [1, INPUTS].map(|batch| of(layout, batch, model(1)));
    layouts.into_iter().flat_map(|layout| [pair(layout, small_cnn), pair(layout, small_search)]).collect()
}

#[test]
fn each_input_has_its_output() {
    for [one, many] in pairs() {
        let proof = many.proof(3);
        assert!(many.verifies(&proof));
        let alone = many.input.chunks(one.input.len()).map(|input| {
            let proof = one.prover.prove(input, CONTEXT, StdRng::seed_from_u64(4)).unwrap();
            assert!(one.verifies(&proof) && !many.verifies(&proof));
            (proof.statement.input, proof.statement.output)
        });
        let (inputs, outputs): (Vec<_>, Vec<_>) = alone.unzip();
        assert_eq!(
            (proof.statement.input.clone(), proof.statement.output.clone()),
            (inputs.concat(), outputs.concat())
        );
        assert!(!one.verifies(&proof));
        // The same statements, another order of one side.
        let mut bad = proof;
        bad.statement.output = outputs.into_iter().rev().collect::<Vec<_>>().concat();
        assert!(!many.verifies(&bad));
    }
}

/// The number of inputs is part of the program.
#[test]
fn as_many_inputs_as_the_key_says() {
    let [[one, many], ..] = &pairs()[..] else { unreachable!("pairs") };
    let error = many.prover.prove(&one.input, CONTEXT, StdRng::seed_from_u64(1)).unwrap_err();
    let expected = INPUTS * one.input.len();
    assert!(matches!(error, ProveError::Network(NetworkError::InputLength { expected: e, .. }) if e == expected));
    let ids = [one, many].map(|fixture| fixture.prover.key.verifying.program_id());
    assert_ne!(ids[0], ids[1]);
    let shape = &many.prover.key.verifying.io.input.shape;
    assert_eq!((shape[0], shape.iter().product::<usize>()), (INPUTS, expected));
    for batch in [0, 1 << 13] {
        let layout = Some(Layout { batch, ..Layout::direct(2) });
        let options = SetupOptions { layout, ..SetupOptions::default() };
        assert!(setup(&small_cnn(1), development_srs(), &options, StdRng::seed_from_u64(1)).is_err(), "{batch} inputs");
    }
}

/// Every element of one tensor, of two inputs, in each other's place.
fn exchanged(trace: &Trace, node: usize) -> Trace {
    let mut trace = trace.clone();
    for elements in [&mut trace.values[node], &mut trace.accumulators[node]] {
        let len = elements.len() / INPUTS;
        let (first, others) = elements.split_at_mut(len);
        if len > 0 {
            first.swap_with_slice(&mut others[..len]);
        }
    }
    trace
}

/// The sums over all inputs are the same then; the exponents are not.
#[test]
fn inputs_cannot_take_each_others_values() {
    for [_, many] in pairs() {
        let trace = many.prover.run(&many.input).unwrap();
        let nodes = &many.prover.key.model.architecture.nodes;
        let forged = |trace: &Trace| {
            let rng = StdRng::seed_from_u64(1);
            many.prover.prove_trace(&many.input, trace, &Openings::default(), CONTEXT, rng, None, UNWATCHED)
        };
        assert!(many.verifies(&forged(&trace).unwrap()));
        let computed = |node: &usize| matches!(nodes[*node].op, Op::Affine { .. } | Op::MaxPool { .. });
        for node in (0..nodes.len()).filter(computed) {
            let changed = exchanged(&trace, node);
            assert!(changed.values[node] != trace.values[node], "two inputs differ");
            // Some have no place in the tables to begin with.
            assert!(!forged(&changed).is_ok_and(|proof| many.verifies(&proof)), "{}", nodes[node].name);
        }
    }
}
