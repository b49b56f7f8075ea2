//! Networks in segments: proved apart, verified as one, and refused in every other arrangement.

use inferproof::chain::{ChainError, MAX_SEGMENTS, SplitError, chain_id, check_keys, interfaces, split, verify_chain};
use inferproof::circuits::network::execute;
use inferproof::prove::{Prover, Source};
use inferproof::verify::{VerifyError, verify};
use inferproof::{
    Interface, Model, Proof, QuantiseOptions, Samples, SetupOptions, Srs, TensorOpening, VerifyingKey, Visibility,
    WeightVisibility, import_file, quantise, setup,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn model(name: &str) -> Model {
    let graph = import_file(fixture(&format!("{name}.onnx"))).unwrap();
    let samples = Samples::load(fixture(&format!("{name}_samples.npz")), graph.input_shape()).unwrap();
    quantise(&graph, &samples, &QuantiseOptions { activation_bits: 6, shift: 8, ..QuantiseOptions::default() })
        .unwrap()
        .0
}

fn srs() -> &'static Srs {
    static SRS: OnceLock<Srs> = OnceLock::new();
    SRS.get_or_init(|| Srs::development(14, StdRng::seed_from_u64(1)).unwrap())
}

fn input(model: &Model, seed: i64) -> Vec<i64> {
    let node = &model.architecture.nodes[0];
    (0..node.len() as i64).map(|i| node.range.lo + (i * 7 + seed) % node.range.len() as i64).collect()
}

/// Segments compute what the whole does, wherever it is cut.
#[test]
fn segments_compute_the_whole() {
    for name in ["digits_mlp", "digits_cnn", "resnet8"] {
        let model = model(name);
        let x = input(&model, 3);
        let whole = execute(&model.architecture, &model.weights, &x).unwrap();
        let expected = &whole.values[model.architecture.output];
        let mut parts = 1;
        loop {
            let segments = match split(&model, parts) {
                Ok(segments) => segments,
                Err(SplitError::Parts { most, .. }) => {
                    assert_eq!(parts, most + 1);
                    break;
                }
                Err(error) => panic!("{error}"),
            };
            assert_eq!(segments.len(), parts);
            let mut values = x.clone();
            for segment in &segments {
                let trace = execute(&segment.architecture, &segment.weights, &values).unwrap();
                values = trace.values[segment.architecture.output].clone();
            }
            assert_eq!(&values, expected, "{name} in {parts}");
            let weights: usize = segments.iter().map(|segment| segment.weights.count()).sum();
            assert_eq!(weights, model.weights.count());
            assert_eq!(segments[0].input_scale(), model.input_scale());
            assert_eq!(segments[parts - 1].output_scale(), model.output_scale());
            for pair in segments.windows(2) {
                assert_eq!(pair[0].output_scale(), pair[1].input_scale());
                assert_eq!(pair[0].output_shape(), pair[1].input_shape());
            }
            parts += 1;
        }
        assert!(parts > 2, "{name}: {parts}");
    }
    assert!(matches!(split(&model("digits_cnn"), 0), Err(SplitError::Parts { parts: 0, .. })));
}

/// A residual block is never cut where its shortcut passes by.
#[test]
fn no_cut_passes_an_edge() {
    let model = model("resnet8");
    let Err(SplitError::Parts { most, .. }) = split(&model, 1000) else { panic!("too many parts") };
    let affine = model.architecture.nodes.len();
    assert!(most < affine - 2, "{most} of {affine} nodes");
}

struct Chain {
    keys: Vec<VerifyingKey>,
    provers: Vec<Prover>,
    input: Vec<i64>,
}

/// Three segments of a small network.
fn chain(ends: Interface, visibility: WeightVisibility) -> Chain {
    let model = model("digits_cnn");
    let segments = split(&model, 3).unwrap();
    let keys = segments.iter().zip(interfaces(ends, 3)).map(|(segment, interface)| {
        let options = SetupOptions { interface, visibility, ..SetupOptions::default() };
        setup(segment, srs(), &options, StdRng::seed_from_u64(2)).unwrap().0
    });
    let provers: Vec<Prover> = keys.map(|key| Prover::new(key, srs()).unwrap()).collect();
    let keys = provers.iter().map(|prover| prover.key().verifying_key().clone()).collect();
    Chain { keys, provers, input: input(&model, 1) }
}

impl Chain {
    /// The boundaries' openings, made before any proof.
    fn boundaries(&self, input: &[i64], seed: u64) -> Vec<TensorOpening> {
        let mut values = input.to_vec();
        let mut rng = StdRng::seed_from_u64(seed);
        let boundary = |prover: &Prover| {
            let opening = prover.commit_output(&values, &mut rng).unwrap();
            values = opening.values().to_vec();
            opening
        };
        self.provers[..self.provers.len() - 1].iter().map(boundary).collect()
    }

    /// One segment's proof; no other is needed for it.
    fn segment(&self, index: usize, input: &[i64], boundaries: &[TensorOpening], context: u8) -> Proof {
        let source = if index == 0 { Source::Values(input) } else { Source::Opening(&boundaries[index - 1]) };
        let rng = StdRng::seed_from_u64(index as u64 + 10);
        self.provers[index].prove_committed(source, boundaries.get(index), [context; 32], rng).unwrap().proof
    }

    fn proofs(&self, input: &[i64], seed: u64, context: u8) -> Vec<Proof> {
        let boundaries = self.boundaries(input, seed);
        // The last first: segments do not wait for each other.
        let mut proofs: Vec<Proof> =
            (0..self.provers.len()).rev().map(|index| self.segment(index, input, &boundaries, context)).collect();
        proofs.reverse();
        proofs
    }

    fn verify(&self, proofs: &[Proof]) -> Result<(), ChainError> {
        verify_chain(&self.keys, &srs().verifier_part(), proofs)
    }
}

#[test]
fn a_chain_is_one_statement() {
    for visibility in [WeightVisibility::Secret, WeightVisibility::Public] {
        let chain = chain(Interface::default(), visibility);
        let proofs = chain.proofs(&chain.input, 5, 7);
        chain.verify(&proofs).unwrap();
        let model = model("digits_cnn");
        let whole = execute(&model.architecture, &model.weights, &chain.input).unwrap();
        let output = chain.keys[2].io().output.packing.decode(&proofs[2].statement.output).unwrap();
        assert_eq!(output, whole.values[model.architecture.output]);
        assert_eq!(proofs[0].statement.output, proofs[1].statement.input);
    }
}

#[test]
fn other_arrangements_are_refused() {
    let chain = chain(Interface::default(), WeightVisibility::Secret);
    let proofs = chain.proofs(&chain.input, 5, 7);
    let invalid = |proofs: &[Proof]| chain.verify(proofs).unwrap_err();
    // Missing, repeated, in another order.
    for wrong in [&proofs[..2], &proofs[1..], &[], &[proofs.clone(), proofs[2..].to_vec()].concat()] {
        assert!(matches!(invalid(wrong), ChainError::Count { expected: 3, .. }));
    }
    for order in [[1, 0, 2], [0, 2, 1], [2, 1, 0], [0, 0, 2], [0, 1, 1]] {
        let wrong = order.map(|index| proofs[index].clone());
        let error = invalid(&wrong);
        assert!(
            matches!(error, ChainError::Segment { source: VerifyError::OtherModel { .. }, .. }),
            "{order:?}: {error}"
        );
    }
    // Another context, or another run of the same network: every proof holds by itself.
    let elsewhere = chain.proofs(&chain.input, 5, 8);
    let other = input(&model("digits_cnn"), 2);
    for (others, mixed) in
        [(elsewhere, true), (chain.proofs(&other, 5, 7), false), (chain.proofs(&chain.input, 6, 7), false)]
    {
        chain.verify(&others).unwrap();
        for index in 0..3 {
            let mut wrong = proofs.clone();
            wrong[index] = others[index].clone();
            match invalid(&wrong) {
                ChainError::Context { .. } => assert!(mixed),
                ChainError::Boundary { .. } => assert!(!mixed, "a boundary of another run"),
                error => panic!("{error}"),
            }
        }
    }
    // A changed byte anywhere.
    for index in 0..3 {
        let mut wrong = proofs.clone();
        wrong[index].bytes[100] ^= 1;
        assert!(matches!(invalid(&wrong), ChainError::Segment { .. }));
        let mut wrong = proofs.clone();
        wrong[index].statement.input[0] ^= 1;
        assert!(chain.verify(&wrong).is_err());
    }
}

/// Keys that fit together by their bytes alone: a boundary that somebody sees, another scale, another SRS.
#[test]
fn keys_that_do_not_fit_are_refused() {
    let chain = chain(Interface::default(), WeightVisibility::Secret);
    check_keys(&chain.keys).unwrap();
    assert!(matches!(check_keys(&[]), Err(ChainError::Length(0))));
    let many = vec![chain.keys[0].clone(); MAX_SEGMENTS + 1];
    assert!(matches!(check_keys(&many), Err(ChainError::Length(_))));
    let swapped = [chain.keys[1].clone(), chain.keys[0].clone()];
    assert!(matches!(check_keys(&swapped), Err(ChainError::Keys { index: 0, .. })));
    let segments = split(&model("digits_cnn"), 3).unwrap();
    let key = |index: usize, interface: Interface, srs: &Srs| {
        let options = SetupOptions { interface, ..SetupOptions::default() };
        setup(&segments[index], srs, &options, StdRng::seed_from_u64(2)).unwrap().0.verifying_key().clone()
    };
    let shown = |visibility| Interface { input: Visibility::Committed, output: visibility };
    for visibility in [Visibility::Public, Visibility::Private] {
        let keys = [chain.keys[0].clone(), key(1, shown(visibility), srs()), chain.keys[2].clone()];
        assert!(matches!(check_keys(&keys), Err(ChainError::Keys { index: 1, what }) if what.contains("committed")));
        let hidden = Interface { input: visibility, output: Visibility::Given };
        let keys = [chain.keys[0].clone(), key(1, hidden, srs()), chain.keys[2].clone()];
        assert!(matches!(check_keys(&keys), Err(ChainError::Keys { index: 0, .. })));
    }
    // Fresh output commitments are as good: then segments are proved one after the other.
    check_keys(&[chain.keys[0].clone(), key(1, shown(Visibility::Committed), srs()), chain.keys[2].clone()]).unwrap();
    let other = Srs::development(14, StdRng::seed_from_u64(3)).unwrap();
    let keys = [chain.keys[0].clone(), key(1, shown(Visibility::Given), &other), chain.keys[2].clone()];
    assert!(matches!(check_keys(&keys), Err(ChainError::Keys { index: 0, what }) if what.contains("SRS")));
    let mut rescaled = split(&model("digits_cnn"), 3).unwrap().swap_remove(1);
    rescaled.tensor_scales[0] *= 2.0;
    let options = SetupOptions { interface: shown(Visibility::Given), ..SetupOptions::default() };
    let rescaled = setup(&rescaled, srs(), &options, StdRng::seed_from_u64(2)).unwrap().0.verifying_key().clone();
    let keys = [chain.keys[0].clone(), rescaled, chain.keys[2].clone()];
    assert!(matches!(check_keys(&keys), Err(ChainError::Keys { index: 0, what }) if what.contains("scale")));
}

/// Segments proved one after the other, each output committed to by its proof, and ends that nobody sees.
#[test]
fn fresh_boundaries_and_private_ends() {
    let segments = split(&model("digits_cnn"), 2).unwrap();
    let interfaces = [
        Interface { input: Visibility::Private, output: Visibility::Committed },
        Interface { input: Visibility::Committed, output: Visibility::Committed },
    ];
    let provers: Vec<Prover> = segments
        .iter()
        .zip(interfaces)
        .map(|(segment, interface)| {
            let options = SetupOptions { interface, ..SetupOptions::default() };
            Prover::new(setup(segment, srs(), &options, StdRng::seed_from_u64(2)).unwrap().0, srs()).unwrap()
        })
        .collect();
    let x = input(&segments[0], 4);
    let mut rng = StdRng::seed_from_u64(3);
    let first = provers[0].prove_committed(Source::Values(&x), None, [0; 32], &mut rng).unwrap();
    let boundary = first.openings.output.unwrap();
    let second = provers[1].prove_committed(Source::Opening(&boundary), None, [0; 32], &mut rng).unwrap();
    let keys: Vec<VerifyingKey> = provers.iter().map(|prover| prover.key().verifying_key().clone()).collect();
    let proofs = [first.proof, second.proof];
    verify_chain(&keys, &srs().verifier_part(), &proofs).unwrap();
    assert!(proofs[0].statement.input.is_empty());
    assert_eq!(second.openings.output.unwrap().commitment().bytes().as_slice(), proofs[1].statement.output);
    let ids = [keys[0].model_id(), keys[1].model_id()];
    assert_ne!(chain_id(&ids), chain_id(&[ids[1], ids[0]]));
    verify(&keys[1], &srs().verifier_part(), &proofs[1]).unwrap();
}
