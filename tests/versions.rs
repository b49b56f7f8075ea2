//! Versions of a model: other weights under the same program.

use inferproof::circuits::formula::Formula;
use inferproof::graph::{Graph, Op};
use inferproof::keys::{PublicModel, SetupError, recommit};
use inferproof::quantise::{QuantiseError, quantise_like};
use inferproof::{
    Model, Prover, QuantiseOptions, Samples, SetupOptions, Srs, WeightVisibility, import_file, quantise, setup, verify,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn network(name: &str) -> (Graph, Samples) {
    let graph = import_file(fixture(&format!("{name}.onnx"))).unwrap();
    let samples = Samples::load(fixture(&format!("{name}_samples.npz")), graph.input_shape()).unwrap();
    (graph, samples)
}

/// As if it had been trained further: every weight off by up to `by` of itself.
fn trained_further(graph: &Graph, by: f32, seed: u64) -> Graph {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut graph = graph.clone();
    for node in &mut graph.nodes {
        let mut change = |weight: &mut f32| *weight *= 1.0 + by * rng.gen_range(-1.0..1.0);
        match &mut node.op {
            Op::Dense { weights, .. } => weights.iter_mut().for_each(&mut change),
            Op::Conv { weights, .. } => weights.iter_mut().for_each(&mut change),
            _ => {}
        }
    }
    graph
}

fn first(graph: &Graph, samples: &Samples) -> Model {
    quantise(graph, samples, &QuantiseOptions { headroom: 1, name: "first".into(), ..QuantiseOptions::default() })
        .unwrap()
        .0
}

/// New weights, the same program: proofs of either version hold for it alone, and anyone audits both at once.
#[test]
fn new_weights_under_the_same_program() {
    let srs = Srs::development(12, StdRng::seed_from_u64(1)).unwrap();
    let (graph, samples) = network("digits_mlp");
    let first = first(&graph, &samples);
    let options = QuantiseOptions { name: "second".into(), ..QuantiseOptions::default() };
    let (second, report) = quantise_like(&trained_further(&graph, 0.1, 1), &samples, &first, &options).unwrap();
    assert_eq!((second.architecture.clone(), second.name.as_str()), (first.architecture.clone(), "second"));
    assert_ne!(second.weights, first.weights);
    assert!(report.top1_agreement > 0.95, "{}", report.top1_agreement);
    for visibility in [WeightVisibility::Secret, WeightVisibility::Public] {
        let options = SetupOptions { visibility, ..SetupOptions::default() };
        let (old, _) = setup(&first, &srs, &options, StdRng::seed_from_u64(2)).unwrap();
        let new = recommit(&old, &second, &srs, StdRng::seed_from_u64(3)).unwrap();
        let keys = [&old, &new].map(|key| key.verifying_key().clone());
        assert_eq!(keys[0].program_id(), keys[1].program_id());
        assert_ne!(keys[0].weights_id(), keys[1].weights_id());
        assert_ne!(keys[0].model_id(), keys[1].model_id());
        assert_eq!(PublicModel::of(&new).program_id(&srs).unwrap(), keys[0].program_id());
        let range = first.architecture.nodes[0].range;
        let input: Vec<i64> = (0..64).map(|i| range.lo + i % range.len() as i64).collect();
        for (index, key) in [old, new].into_iter().enumerate() {
            let prover = Prover::new(key, &srs).unwrap();
            let expected = prover.run(&input).unwrap().values.pop().unwrap();
            let proof = prover.prove(&input, [0; 32], StdRng::seed_from_u64(4)).unwrap();
            let part = srs.verifier_part();
            verify(&keys[index], &part, &proof).unwrap();
            assert_eq!(keys[index].io().output.packing.decode(&proof.statement.output), Some(expected));
            assert!(verify(&keys[1 - index], &part, &proof).is_err(), "the other version");
            // The other version's name on it does not help.
            let mut renamed = proof.clone();
            renamed.statement.model_id = keys[1 - index].model_id();
            assert!(verify(&keys[1 - index], &part, &renamed).is_err());
        }
    }
}

/// Tables by formula are the earlier version's too, though the samples would give others.
#[test]
fn tables_are_the_earlier_version_s() {
    let (mut graph, samples) = network("digits_mlp");
    for node in graph.nodes.iter_mut().filter(|node| node.op == Op::Relu) {
        node.op = Op::Unary(Formula::Gelu);
    }
    let first = first(&graph, &samples);
    let fewer = Samples::random(graph.input_shape(), 3).unwrap();
    let second =
        quantise_like(&trained_further(&graph, 0.02, 2), &fewer, &first, &QuantiseOptions::default()).unwrap().0;
    assert_eq!(second.architecture, first.architecture);
    assert_eq!(second.tensor_scales, first.tensor_scales);
    let alone = quantise(&graph, &fewer, &QuantiseOptions::default()).unwrap().0;
    assert!(first.architecture.difference(&alone.architecture).is_some(), "by itself it has another program");
}

#[test]
fn what_is_no_version_is_refused() {
    let (graph, samples) = network("digits_mlp");
    let first = first(&graph, &samples);
    let like = |graph: &Graph, earlier: &Model| quantise_like(graph, &samples, earlier, &QuantiseOptions::default());
    // Weights that the published intervals have no room for.
    let mut large = graph.clone();
    for node in &mut large.nodes {
        if let Op::Dense { weights, .. } = &mut node.op {
            weights.iter_mut().for_each(|weight| *weight *= 5.0);
        }
    }
    let error = like(&large, &first).unwrap_err();
    assert!(matches!(&error, QuantiseError::Outgrown { .. }), "{error}");
    let (other, other_samples) = network("digits_cnn");
    let error = quantise_like(&other, &other_samples, &first, &QuantiseOptions::default()).unwrap_err();
    assert!(matches!(&error, QuantiseError::OtherNetwork { .. }), "{error}");

    let srs = Srs::development(12, StdRng::seed_from_u64(1)).unwrap();
    let (key, _) = setup(&first, &srs, &SetupOptions::default(), StdRng::seed_from_u64(2)).unwrap();
    let commit = |model: &Model, srs: &Srs| recommit(&key, model, srs, StdRng::seed_from_u64(3));
    let alone =
        quantise(&graph, &samples, &QuantiseOptions { activation_bits: 7, ..QuantiseOptions::default() }).unwrap().0;
    assert!(matches!(commit(&alone, &srs), Err(SetupError::OtherProgram { .. })));
    let mut scaled = first.clone();
    scaled.tensor_scales[0] *= 2.0;
    assert!(matches!(commit(&scaled, &srs), Err(SetupError::OtherProgram { .. })));
    // Weights outside the published intervals, whatever intervals the new model publishes itself.
    let loose = quantise(&large, &samples, &QuantiseOptions::default()).unwrap().0;
    let forged =
        Model { architecture: first.architecture.clone(), tensor_scales: first.tensor_scales.clone(), ..loose };
    let mut wide = forged.clone();
    for node in &mut wide.architecture.nodes {
        if let inferproof::circuits::network::Op::Affine { quotient, .. } = &mut node.op {
            (quotient.lo, quotient.hi) = (quotient.lo * 64, quotient.hi * 64);
        }
    }
    for weight in wide.weights.layers.values_mut().flat_map(|layer| layer.terms.iter_mut().flatten()) {
        *weight *= 8;
    }
    assert!(matches!(commit(&wide, &srs), Err(SetupError::Network(_))));
    let other = Srs::development(12, StdRng::seed_from_u64(9)).unwrap();
    assert!(matches!(commit(&first, &other), Err(SetupError::OtherSrs { .. })));
}

#[test]
fn headroom_widens_what_is_published() {
    let (graph, samples) = network("digits_mlp");
    let quotients = |headroom| {
        let model = quantise(&graph, &samples, &QuantiseOptions { headroom, ..QuantiseOptions::default() }).unwrap().0;
        let nodes = model.architecture.nodes.iter().filter_map(|node| match node.op {
            inferproof::circuits::network::Op::Affine { quotient, .. } => Some(quotient.len()),
            _ => None,
        });
        (nodes.sum::<u64>(), model.weights)
    };
    let (none, one) = (quotients(0), quotients(1));
    assert_eq!(none.1, one.1, "weights are the same");
    assert!(one.0 > none.0 * 3 / 2 && one.0 < none.0 * 5 / 2, "{} and {}", none.0, one.0);
    let error = quantise(&graph, &samples, &QuantiseOptions { headroom: 9, ..QuantiseOptions::default() }).unwrap_err();
    assert!(matches!(error, QuantiseError::Option { option: "headroom", .. }));
}
