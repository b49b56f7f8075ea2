//! What the chain charges, pinned. After a change that is meant: `UPDATE_GOLDEN=1 cargo test --release --test contracts`.

use crate::story::{Proved, Story, model, root};
use inferproof::circuits::machine::Shape;
use inferproof::circuits::plan::plan_batch;
use inferproof::circuits::program::{Layout, Program};
use inferproof::evm::chain::Fork;
use inferproof::evm::{Rehearsal, batch_calldata, zero_bytes};
use inferproof::{
    Interface, Optimise, Proof, QuantiseOptions, SetupOptions, Srs, VerifyingKey, Visibility, WeightVisibility,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

/// A batch of this size: the difference is what a further proof costs.
const BATCH: usize = 3;

#[test]
fn gas_table() {
    let srs = Srs::development(17, StdRng::seed_from_u64(1)).unwrap();
    let (mut models, mut programs) = (vec![], vec![]);
    for model in ["digits_mlp", "digits_cnn"] {
        for (visibility, kind) in [(WeightVisibility::Public, "public"), (WeightVisibility::Secret, "secret")] {
            let proved = Proved::new(model, &QuantiseOptions::default(), visibility, &srs);
            let proofs: Vec<Proof> = (0..BATCH as u64).map(|seed| proved.proof(seed)).collect();
            programs.push((proved.program(), proved.planned_gas(), proved.key.clone(), proofs[0].clone()));
            models.push((format!("{model}, {kind} weights"), proved.key, proofs));
        }
    }
    let committed = [
        ("committed input", Interface { input: Visibility::Committed, output: Visibility::Public }),
        ("committed output", Interface { input: Visibility::Public, output: Visibility::Committed }),
        ("both committed", Interface { input: Visibility::Committed, output: Visibility::Committed }),
    ];
    for (name, interface) in committed {
        for (visibility, kind) in [(WeightVisibility::Public, "public"), (WeightVisibility::Secret, "secret")] {
            let setup = SetupOptions { visibility, interface, optimise: Optimise::Gas, ..SetupOptions::default() };
            let proved = Proved::with("digits_cnn", &QuantiseOptions::default(), &setup, &srs);
            let proofs: Vec<Proof> = (0..BATCH as u64).map(|seed| proved.proof(seed)).collect();
            programs.push((proved.program(), proved.planned_gas(), proved.key.clone(), proofs[0].clone()));
            models.push((format!("digits_cnn, {kind} weights, {name}"), proved.key, proofs));
        }
    }
    // One proof, three times: it takes a while, and gas does not depend on it.
    let proved = Proved::new("resnet8", &QuantiseOptions::default(), WeightVisibility::Secret, &srs);
    let proof = proved.proof(1);
    programs.push((proved.program(), proved.planned_gas(), proved.key.clone(), proof.clone()));
    models.push(("resnet8, secret weights".into(), proved.key, vec![proof.clone(), proof.clone(), proof]));
    // Two activations a row, and a verifier of their own.
    let layout = Some(Layout { shape: Shape::Paired, ..Layout::direct(8) });
    let (mut paired_models, mut paired_programs) = (vec![], vec![]);
    for (visibility, kind) in [(WeightVisibility::Public, "public"), (WeightVisibility::Secret, "secret")] {
        let proved = Proved::in_layout("digits_cnn", &QuantiseOptions::default(), visibility, &srs, layout);
        let proofs: Vec<Proof> = (0..BATCH as u64).map(|seed| proved.proof(seed)).collect();
        paired_programs.push((proved.program(), proved.planned_gas(), proved.key.clone(), proofs[0].clone()));
        paired_models.push((format!("digits_cnn, {kind} weights, paired"), proved.key, proofs));
    }
    let mut table = serde_json::Map::new();
    for (fork, name) in [(Fork::Osaka, "osaka"), (Fork::Prague, "prague")] {
        let mut story = Story::on(&srs, fork);
        let mut rows = serde_json::Map::new();
        rows.insert("deployment".into(), json!(story.deployment.gas));
        for (model, key, proofs) in &models {
            let row = row(&mut story, key, proofs);
            if fork == Fork::Osaka {
                within_targets(model, &row);
            }
            rows.insert(model.clone(), row);
        }
        if fork == Fork::Osaka {
            within_differences(&rows);
        }
        rehearsed(fork, &mut story, &programs);
        let mut paired = Story::of(Shape::Paired, &srs, fork);
        rows.insert("deployment, paired".into(), json!(paired.deployment.gas));
        for (model, key, proofs) in &paired_models {
            let row = row(&mut paired, key, proofs);
            rows.insert(model.clone(), row);
        }
        rehearsed(fork, &mut paired, &paired_programs);
        let plain = models.iter().filter(|(_, key, _)| !key.io().interface.is_linked());
        let firsts: Vec<Proof> = plain.map(|(_, _, proofs)| proofs[0].clone()).collect();
        rows.insert("batch of these five".into(), json!(mixed_batch(&mut story, &firsts)));
        table.insert(name.into(), Value::Object(rows));
    }
    let path = root().join("fixtures/golden/gas.json");
    let text = format!("{:#}\n", Value::Object(table));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).expect("fixtures/golden/gas.json");
    for (got, golden) in text.lines().zip(golden.lines()) {
        assert_eq!(got, golden);
    }
    assert_eq!(text.len(), golden.len());
}

/// A program's gas is known before it has a key, to the unit.
fn rehearsed(fork: Fork, story: &mut Story, proved: &[(Program, u64, VerifyingKey, Proof)]) {
    let mut rehearsal = Rehearsal::new(fork).unwrap();
    for (program, planned, key, proof) in proved {
        let receipt = story.verify(proof);
        assert!(receipt.success);
        let gas = receipt.gas + 12 * zero_bytes(proof);
        assert_eq!(rehearsal.gas(program, key.weights().visibility).unwrap(), gas, "k = {}", key.k());
        if fork == Fork::Osaka {
            assert!(planned.abs_diff(gas) * 100 <= gas, "the planner says {planned}, it is {gas}");
        }
    }
}

/// Many inputs in one proof: calldata and memory are what costs then.
#[test]
fn the_planner_knows_the_gas_of_large_statements() {
    let (model, _) = model("digits_mlp", &QuantiseOptions::default());
    let mut rehearsal = Rehearsal::new(Fork::Osaka).unwrap();
    for batch in [64, 512, 1024] {
        let (program, costs) =
            plan_batch(&model.architecture, Interface::default(), Optimise::Prover, batch, None).unwrap();
        let gas = rehearsal.gas(&program, WeightVisibility::Secret).unwrap();
        assert!(
            costs[0].gas.abs_diff(gas) * 100 <= gas,
            "{batch} inputs: the planner says {}, it is {gas}",
            costs[0].gas
        );
    }
}

/// Proofs are random, and a zero byte of calldata costs 12 gas less: counts those of the proofs as if they were not zero.
fn without_luck(gas: u64, proofs: &[Proof]) -> u64 {
    gas + 12 * proofs.iter().flat_map(|proof| &proof.bytes).filter(|byte| **byte == 0).count() as u64
}

fn row(story: &mut Story, key: &VerifyingKey, proofs: &[Proof]) -> Value {
    let stored = story.store(key);
    let single = story.verify(&proofs[0]);
    assert!(single.success);
    let [one, all] = [&proofs[..1], proofs].map(|batch| {
        let receipt = story.call(batch_calldata(batch));
        assert!(receipt.success);
        without_luck(receipt.gas, batch)
    });
    let calldata = inferproof::evm::verify_calldata(&proofs[0]);
    let intrinsic: u64 = 21_000 + calldata.iter().map(|byte| if *byte == 0 { 4 } else { 16 }).sum::<u64>();
    json!({
        "k": key.k(), "lanes": key.weights().points.len(), "proofBytes": proofs[0].bytes.len(),
        "verify": without_luck(single.gas, &proofs[..1]), "execution": single.gas - intrinsic, "storeKey": stored.gas,
        "furtherInBatch": (all - one) / (BATCH as u64 - 1),
    })
}

/// One claim of each model: nothing is shared but the pairing.
fn mixed_batch(story: &mut Story, proofs: &[Proof]) -> u64 {
    let receipt = story.call(batch_calldata(proofs));
    assert!(receipt.success);
    let apart: u64 = proofs.iter().map(|proof| story.verify(proof).gas).sum();
    // The first costs as before, the others at most 76 percent.
    assert!(receipt.gas * 100 <= apart * (100 + 4 * 76) / 5, "{} for {apart}", receipt.gas);
    without_luck(receipt.gas, proofs)
}

/// What secrecy may cost on `digits_cnn`: secret weights over public ones, and each committed tensor over a public one.
fn within_differences(rows: &serde_json::Map<String, Value>) {
    let gas = |model: &str| rows[model]["verify"].as_u64().unwrap() as i64;
    let bytes = |model: &str| rows[model]["proofBytes"].as_u64().unwrap();
    let [public, secret] = ["digits_cnn, public weights", "digits_cnn, secret weights"];
    assert!(gas(secret) - gas(public) <= 30_000);
    assert!(bytes(secret) - bytes(public) <= 200);
    for weights in [public, secret] {
        for (what, tensors) in [("committed input", 1), ("committed output", 1), ("both committed", 2)] {
            let more = gas(&format!("{weights}, {what}")) - gas(weights);
            assert!(more <= 30_000 * tensors, "{weights}, {what}: {more}");
        }
    }
}

/// The figures that were set as goals; total gas of a transaction on Osaka, nothing warm.
fn within_targets(model: &str, row: &Value) {
    let gas = |field: &str| row[field].as_u64().unwrap();
    let most = match model {
        "digits_cnn, secret weights" => 500_000,
        "digits_cnn, public weights" => 475_000,
        "digits_mlp, public weights" => 455_000,
        "digits_mlp, secret weights" => 480_000,
        _ => 600_000,
    };
    assert!(gas("verify") <= most, "{model}: {row}");
    assert!(gas("furtherInBatch") * 100 <= gas("verify") * 76, "{model}: {row}");
}
