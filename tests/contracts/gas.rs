//! What the chain charges, pinned. After a change that is meant: `UPDATE_GOLDEN=1 cargo test --release --test contracts`.

use crate::story::{Proved, Story, root};
use inferproof::evm::batch_calldata;
use inferproof::evm::chain::Fork;
use inferproof::{Options, Srs, WeightVisibility};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

/// Batch sizes: the difference is what a further proof costs.
const BATCH: usize = 3;

#[test]
fn gas_table() {
    let srs = Srs::development(15, StdRng::seed_from_u64(1)).unwrap();
    let mut table = serde_json::Map::new();
    for (fork, name) in [(Fork::Osaka, "osaka"), (Fork::Prague, "prague")] {
        let mut story = Story::on(&srs, fork);
        let mut rows = serde_json::Map::new();
        rows.insert("deployment".into(), json!(story.deployment.gas));
        for model in ["digits_mlp", "digits_cnn"] {
            for (visibility, kind) in [(WeightVisibility::Public, "public"), (WeightVisibility::Secret, "secret")] {
                let proved = Proved::new(model, &Options::default(), visibility, &srs);
                let row = row(&mut story, &proved);
                if fork == Fork::Osaka {
                    within_targets(model, visibility, &row);
                }
                rows.insert(format!("{model}, {kind} weights"), row);
            }
        }
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

fn row(story: &mut Story, proved: &Proved) -> Value {
    let stored = story.store(&proved.key);
    let proofs: Vec<_> = (0..BATCH as u64).map(|seed| proved.proof(seed)).collect();
    let single = story.verify(&proofs[0]);
    assert!(single.success);
    let [one, all] = [&proofs[..1], &proofs[..]].map(|batch| {
        let receipt = story.call(batch_calldata(batch));
        assert!(receipt.success);
        receipt.gas
    });
    let calldata = inferproof::evm::verify_calldata(&proofs[0]);
    let intrinsic: u64 = 21_000 + calldata.iter().map(|byte| if *byte == 0 { 4 } else { 16 }).sum::<u64>();
    json!({
        "k": proved.key.k(), "lanes": proved.key.weights().points.len(), "proofBytes": proofs[0].bytes.len(),
        "verify": single.gas, "execution": single.gas - intrinsic, "storeKey": stored.gas,
        "furtherInBatch": (all - one) / (BATCH as u64 - 1),
    })
}

/// The figures that were set as goals; total gas of a transaction on Osaka, nothing warm.
fn within_targets(model: &str, visibility: WeightVisibility, row: &Value) {
    let gas = |field: &str| row[field].as_u64().unwrap();
    let most = match (model, visibility) {
        ("digits_cnn", WeightVisibility::Secret) => 500_000,
        ("digits_cnn", WeightVisibility::Public) => 475_000,
        (_, WeightVisibility::Public) => 455_000,
        (_, WeightVisibility::Secret) => 480_000,
    };
    assert!(gas("verify") <= most, "{model}, {visibility:?}: {row}");
    assert!(gas("furtherInBatch") * 100 <= gas("verify") * 76, "{model}, {visibility:?}: {row}");
}
