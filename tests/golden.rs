//! Circuit costs of the fixtures, pinned. After a change that is meant:
//! `UPDATE_GOLDEN=1 cargo test --release --test golden`, and say in the changelog why.

use inferproof::circuits::interface::Interface;
use inferproof::circuits::machine::Shape;
use inferproof::circuits::plan::{Cost, Optimise, plan};
use inferproof::{Model, QuantiseOptions, Samples, import_file, quantise};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn model(name: &str) -> Model {
    let graph = import_file(fixtures().join(format!("{name}.onnx"))).unwrap();
    let samples = Samples::load(fixtures().join(format!("{name}_samples.npz")), graph.input_shape()).unwrap();
    quantise(&graph, &samples, &QuantiseOptions::default()).unwrap().0
}

fn costs(name: &str) -> Value {
    let model = model(name);
    let of = |optimise| {
        let (program, costs) = plan(&model.architecture, Interface::default(), optimise).unwrap();
        program.check();
        let Cost { layout, k, rows, table, weight_rows, activation_rows, proof_bytes, gas, .. } = costs[0].clone();
        let unread: serde_json::Map<String, Value> =
            program.unread_cells().iter().map(|(column, count)| (format!("{column:?}"), json!(count))).collect();
        json!({
            "lanes": layout.lanes, "limb": layout.limb, "limbed": layout.limbed, "shape": layout.shape, "k": k, "rows": rows, "table": table, "weightRows": weight_rows,
            "activationRows": activation_rows, "proofBytes": proof_bytes, "gas": gas, "unreadCells": unread,
            "copies": program.copies().count(),
        })
    };
    json!({ "prover": of(Optimise::Prover), "gas": of(Optimise::Gas) })
}

#[test]
fn circuit_costs() {
    let mut names: Vec<String> = ["digits_mlp", "digits_cnn", "resnet8"].map(String::from).to_vec();
    let mut operators: Vec<String> = std::fs::read_dir(fixtures().join("ops"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "onnx"))
        .map(|path| format!("ops/{}", path.file_stem().unwrap().to_string_lossy()))
        .collect();
    operators.sort();
    names.extend(operators);
    let got: serde_json::Map<String, Value> = names.into_iter().map(|name| (name.clone(), costs(&name))).collect();
    let path = fixtures().join("golden/costs.json");
    let text = format!("{:#}\n", Value::Object(got));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).expect("fixtures/golden/costs.json");
    for (got, golden) in text.lines().zip(golden.lines()) {
        assert_eq!(got, golden);
    }
    assert_eq!(text.len(), golden.len());
}

/// What the issue of record asks of every plan.
#[test]
fn cells_a_weight_and_an_activation() {
    for name in ["digits_mlp", "digits_cnn", "resnet8"] {
        let model = model(name);
        for optimise in [Optimise::Prover, Optimise::Gas] {
            let (program, costs) = plan(&model.architecture, Interface::default(), optimise).unwrap();
            let full = costs[0].full_cells_per_weight * program.layout.lanes as f64;
            assert!(full <= 2.0, "{name}: {full} full-size cells for as many weights as there are lanes");
            // Limbs cost rows of an activation, and save more of them in the table. Without them there is a plan too.
            let single = costs.iter().filter(|cost| cost.layout.shape == Shape::Single);
            let mut direct = single.filter(|cost| cost.layout.limb.is_none()).peekable();
            assert!(optimise == Optimise::Gas || direct.peek().is_some(), "{name}: not listed");
            if let Some(first) = direct.peek() {
                let full = first.full_cells_per_weight * first.layout.lanes as f64;
                assert!(full <= 2.0, "{name}: {full} without limbs");
            }
            for direct in direct {
                assert!(direct.cells_per_activation <= 7.0, "{name}");
                assert!(program.layout.limb.is_none() || program.k < direct.k, "{name}");
            }
            // Two a row: eleven cells for them, where most have a neighbour.
            let paired = costs.iter().filter(|cost| cost.layout.shape == Shape::Paired && cost.layout.limb.is_none());
            for paired in paired.filter(|_| name != "digits_mlp") {
                assert!(paired.cells_per_activation <= 6.0, "{name}: {}", paired.cells_per_activation);
            }
        }
    }
}
