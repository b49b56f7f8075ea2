//! Other results than the network's own, claimed by a witness that is consistent where it can be.

use super::*;
use crate::onnx::import;
use crate::quantise::{QuantiseOptions, Samples, quantise};
use std::io::Read;

/// A case of ONNX's node tests as a model and its input.
fn node_test(case: &str) -> (Model, Vec<i64>) {
    let archive = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/onnx_nodes.zip");
    let mut archive = zip::ZipArchive::new(std::fs::File::open(archive).unwrap()).unwrap();
    let mut read = |name: &str| {
        let mut bytes = vec![];
        archive.by_name(&format!("{case}/{name}")).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    let graph = import(&read("model.onnx")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input.npy");
    std::fs::write(&path, read("input.npy")).unwrap();
    let x = crate::quantise::load_tensor(&path, graph.input_shape()).unwrap();
    let (model, _) =
        quantise(&graph, &Samples::new(vec![x.clone()], graph.input_shape()).unwrap(), &QuantiseOptions::default())
            .unwrap();
    let input = model.quantise_input(&x).unwrap();
    (model, input)
}

/// The largest elements in another order, one of them twice, and the places of equal elements exchanged.
#[test]
fn shuffled_largest_elements() {
    for (case, repeated) in [("test_top_k", false), ("test_top_k_same_values__output1", true)] {
        let (model, input) = node_test(case);
        let fixture = Fixture { input, ..Fixture::new(model, &SetupOptions::default()) };
        let honest = fixture.prover.run(&fixture.input).unwrap();
        let output = fixture.prover.key.model.architecture.output;
        let values = honest.values[output].clone();
        let prove = |claimed: Vec<i64>| {
            let mut trace = honest.clone();
            trace.values[output] = claimed;
            let rng = StdRng::seed_from_u64(1);
            fixture
                .prover
                .prove_trace(&fixture.input, &trace, &Openings::default(), CONTEXT, rng, None, UNWATCHED)
                .unwrap()
        };
        assert!(fixture.verifies(&prove(values.clone())));
        // The first row's.
        let (mut tried, k) = (0, values.len().min(3));
        for i in 0..k {
            for j in 0..k {
                let mut swapped = values.clone();
                swapped.swap(i, j);
                let mut twice = values.clone();
                twice[i] = values[j];
                for claimed in [swapped, twice] {
                    if claimed != values {
                        assert!(!fixture.verifies(&prove(claimed.clone())), "{case}: {claimed:?}");
                        tried += 1;
                    }
                }
            }
        }
        assert!(tried >= 6, "{case}: {tried}");
        if repeated {
            assert!(fixture.input.windows(2).any(|pair| pair[0] == pair[1]), "equal elements have a first");
        }
    }
}
