//! The command line as a user runs it: the whole job, exit codes, JSON, and files that are not what they should be.

mod cli_job;
#[path = "cli/files.rs"]
mod files;
#[path = "cli/models.rs"]
mod models;

use cli_job::{Job, fixture};
use serde_json::{Value, json};
use std::process::Command;

impl Job {
    /// Everything up to a proof of the small network.
    fn proved() -> Self {
        let job = Self::new();
        let [onnx, samples, input] = ["digits_mlp.onnx", "digits_mlp_samples.npz", "digits_mlp_input.npy"].map(fixture);
        job.json(
            &[
                "quantise",
                &onnx,
                "--samples",
                &samples,
                "-o",
                "m.ifq",
                "--report",
                "r.json",
                "--bits",
                "7",
                "--shift",
                "8",
            ],
            0,
        );
        job.json(&["srs", "new", "--insecure", "--k", "11", "-o", "dev.srs"], 0);
        job.json(&["setup", "m.ifq", "--srs", "dev.srs", "-o", "keys"], 0);
        job.json(&["run", "m.ifq", "--input", &input, "-o", "y.npy"], 0);
        job.json(&["prove", "--keys", "keys", "--srs", "dev.srs", "--input", &input, "-o", "proof.json"], 0);
        job
    }
}

const VERIFY: [&str; 5] = ["verify", "--key", "keys/verifying.key", "--srs", "dev.srs"];

/// A plan that is not the cheapest, on demand.
#[test]
fn a_plan_by_name() {
    let job = Job::proved();
    let keys = |layout: &str, status| {
        job.json(&["setup", "m.ifq", "--srs", "dev.srs", "-o", "planned", "--replace", "--layout", layout], status)
    };
    let made = keys("16", 0);
    assert_eq!((&made["plans"][0]["lanes"], &made["plans"][0]["limb"]), (&json!(16), &Value::Null));
    assert!(made["plans"][0]["cellsPerActivation"].as_f64().unwrap() <= 7.0);
    assert_eq!(keys("16:4", 0)["plans"][0]["limb"], 4);
    let flat = &keys("16:4:flat", 0)["plans"][0];
    assert_eq!((&flat["limb"], &flat["limbed"], &flat["layout"]), (&json!(4), &json!("flat"), &json!("16:4:flat")));
    for wrong in ["0", "16:1", "300"] {
        assert_eq!(keys(wrong, 2)["ok"], false, "{wrong}");
    }
    for no_layout in ["paired", "16:pair", "16:flat", "flat"] {
        let output = job.run(&["setup", "m.ifq", "--srs", "dev.srs", "-o", "planned", "--layout", no_layout]);
        assert_eq!(output.status.code(), Some(2), "{no_layout}");
    }
}

/// Keys, a published model and proofs of the machine with two activations a row.
#[test]
fn the_other_shape() {
    let job = Job::proved();
    let made = job.json(&["setup", "m.ifq", "--srs", "dev.srs", "-o", "paired", "--layout", "16:4:paired"], 0);
    let plan = &made["plans"][0];
    assert_eq!((&plan["shape"], &plan["layout"]), (&json!("paired"), &json!("16:4:paired")));
    for key in ["paired/verifying.key", "paired/proving.key"] {
        assert_eq!(job.json(&["inspect", key], 0)["shape"], "paired");
    }
    assert_eq!(job.json(&["inspect", "keys/verifying.key"], 0)["shape"], "single");
    let input = fixture("digits_mlp_input.npy");
    job.json(&["prove", "--keys", "paired", "--srs", "dev.srs", "--input", &input, "-o", "p.json"], 0);
    let verify = ["verify", "--key", "paired/verifying.key", "--srs", "dev.srs", "--expect-output", "y.npy", "p.json"];
    assert_eq!(job.json(&verify, 0)["valid"], true);
    job.json(&["audit", "paired/model.pub", "--srs", "dev.srs", "--key", "paired/verifying.key"], 0);
    // Another shape than the file says, and another file than the key's.
    let text = std::fs::read_to_string(job.path("paired/model.pub")).unwrap();
    let other = text.replace("\"paired\"", "\"single\"");
    assert_ne!(text, other);
    std::fs::write(job.path("other.pub"), other).unwrap();
    let refused = job.json(&["audit", "other.pub", "--srs", "dev.srs"], 2);
    assert!(refused["error"]["message"].as_str().unwrap().contains("machine version"), "{refused}");
    // A shape to plan for.
    for shape in ["single", "paired"] {
        let made = job.json(&["setup", "m.ifq", "--srs", "dev.srs", "-o", "planned", "--replace", "--shape", shape], 0);
        let plans = made["plans"].as_array().unwrap();
        assert!(plans.iter().all(|plan| plan.get("shape").map_or("single", |s| s.as_str().unwrap()) == shape));
    }
}

#[test]
fn the_whole_job() {
    let job = Job::proved();
    let report: Value = serde_json::from_slice(&std::fs::read(job.path("r.json")).unwrap()).unwrap();
    assert!(report["top1_agreement"].as_f64().unwrap() >= 0.98);
    let verified = job.json(&[&VERIFY[..], &["--expect-output", "y.npy", "proof.json"]].concat(), 0);
    assert_eq!(verified["valid"], true);
    assert_eq!(verified["insecure"], true, "a development SRS is marked");
    let model: Value = serde_json::from_slice(&std::fs::read(job.path("keys/model.json")).unwrap()).unwrap();
    let id = model["modelId"].as_str().unwrap();
    assert_eq!(verified["statement"]["modelId"], id);
    job.json(&[&VERIFY[..], &["--expect-model", id, "proof.json"]].concat(), 0);
    let public = std::fs::read_to_string(job.path("keys/model.pub")).unwrap();
    assert!(public.contains("\"architecture\"") && !public.contains("\"layers\""), "no weights are published");
    for file in ["m.ifq", "dev.srs", "keys/verifying.key", "keys/proving.key", "proof.json"] {
        job.json(&["inspect", file], 0);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for file in ["keys/proving.key", "m.ifq"] {
            assert_eq!(std::fs::metadata(job.path(file)).unwrap().permissions().mode() & 0o077, 0, "{file}");
        }
    }
}

fn npy(array: &ndarray::Array1<f32>) -> Vec<u8> {
    use ndarray_npy::WriteNpyExt;
    let mut bytes = vec![];
    array.write_npy(&mut bytes).unwrap();
    bytes
}

/// The backend clamps its degree at an environment variable; keys and proofs do not depend on it.
#[test]
fn the_degree_does_not_depend_on_the_environment() {
    let job = Job::proved();
    let input = fixture("digits_mlp_input.npy");
    let arguments = ["prove", "--keys", "keys", "--srs", "dev.srs", "--input", &input, "-o", "other.json"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_inferproof"));
    let proved = command.args(arguments).current_dir(&job.folder).env("MAX_DEGREE", "3").output().unwrap();
    assert!(proved.status.success(), "{}", String::from_utf8_lossy(&proved.stderr));
    job.json(&[&VERIFY[..], &["other.json"]].concat(), 0);
}

#[test]
fn many_proofs_with_one_key() {
    let job = Job::proved();
    let inputs = ndarray_npy::read_npy::<_, ndarray::ArrayD<f32>>(fixture("digits_mlp_input.npy")).unwrap();
    let two = ndarray::stack(ndarray::Axis(0), &[inputs.view(), (&inputs * 0.5).view()]).unwrap();
    let two = two.into_shape_with_order(ndarray::IxDyn(&[2, 64])).unwrap();
    ndarray_npy::write_npy(job.path("two.npy"), &two).unwrap();
    let prove = ["prove", "--keys", "keys", "--srs", "dev.srs", "--batch", "two.npy", "-o", "proofs"];
    let proved = job.json(&prove, 0);
    assert_eq!(proved["proofs"].as_array().unwrap().len(), 2);
    let verify = |file: &str| {
        job.json(&["verify", "--key", "keys/verifying.key", "--srs", "dev.srs", &format!("proofs/{file}")], 0)
    };
    let [first, second] = ["proof-0.json", "proof-1.json"].map(verify);
    assert_ne!(first["statement"]["input"], second["statement"]["input"]);
    assert_eq!(job.run(&[&prove[..], &["--input", "two.npy"]].concat()).status.code(), Some(2));
    job.json(&[&prove[..], &["--memory-limit", "64"]].concat(), 0);
    let refused = job.json(&[&prove[..], &["--memory-limit", "2"]].concat(), 2);
    assert!(refused["error"]["message"].as_str().unwrap().contains("2 are allowed"), "{refused}");
}

/// The processor on demand, a device strictly on demand, and otherwise what there is.
#[test]
fn engines() {
    let job = Job::proved();
    let input = fixture("digits_mlp_input.npy");
    let arguments = |engine: &str| -> Vec<String> {
        let prove = [
            "--json", "prove", "--keys", "keys", "--srs", "dev.srs", "--input", &input, "-o", "e.json", "--engine",
            engine,
        ];
        prove.map(Into::into).to_vec()
    };
    let run = |engine: &str| job.run(&arguments(engine).iter().map(String::as_str).collect::<Vec<_>>());
    let said = |output: &std::process::Output| serde_json::from_slice::<Value>(&output.stdout).unwrap();
    let cpu = run("cpu");
    assert_eq!((cpu.status.code(), &said(&cpu)["engine"], cpu.stderr.len()), (Some(0), &json!("cpu"), 0));
    let [auto, cuda] = ["auto", "cuda"].map(run);
    assert_eq!(auto.status.code(), Some(0));
    job.json(&[&VERIFY[..], &["e.json"]].concat(), 0);
    if cuda.status.success() {
        // There is a device.
        assert!(said(&cuda)["engine"].as_str().unwrap().starts_with("cuda: "));
        return;
    }
    assert_eq!((cuda.status.code(), &said(&auto)["engine"]), (Some(2), &json!("cpu")));
    let message = said(&cuda)["error"]["message"].as_str().unwrap().to_string();
    let lines = String::from_utf8(auto.stderr).unwrap().lines().count();
    if cfg!(feature = "cuda") {
        assert!(message.contains("no CUDA device can be used") && lines == 1, "{message}");
    } else {
        assert!(message.contains("--features cuda") && lines == 0, "{message}");
    }
}

/// Several inputs in one proof, given as one tensor or as a list.
#[test]
fn many_inputs_in_one_proof() {
    let job = Job::proved();
    let input = ndarray_npy::read_npy::<_, ndarray::ArrayD<f32>>(fixture("digits_mlp_input.npy")).unwrap();
    let all: Vec<f32> = (0..4).flat_map(|i| input.iter().map(move |v| v * (4 - i) as f32 / 4.0)).collect();
    let write = |name: &str, shape: &[usize], values: &[f32]| {
        let tensor = ndarray::ArrayD::from_shape_vec(shape.to_vec(), values.to_vec()).unwrap();
        ndarray_npy::write_npy(job.path(name), &tensor).unwrap();
    };
    write("two.npy", &[2, 64], &all[..128]);
    write("three.npy", &[3, 64], &all[..192]);
    write("four.npy", &[4, 64], &all);
    let inspected = job.json(&["inspect", "m.ifq", "--batch-in-one", "2"], 0);
    let setup = ["setup", "m.ifq", "--srs", "dev.srs", "-o", "two", "--batch-in-one", "2"];
    let plan = &job.json(&setup, 0)["plans"][0];
    assert_eq!((plan, &plan["batch"]), (&inspected["plans"]["prover"][0], &json!(2)));
    let prove = ["prove", "--keys", "two", "--srs", "dev.srs"];
    let proved = job.json(&[&prove[..], &["--input", "two.npy", "-o", "two.json"]].concat(), 0);
    assert_eq!(proved["output"].as_array().unwrap().len(), 20);
    let verify = |file: &str| job.json(&["verify", "--key", "two/verifying.key", "--srs", "dev.srs", file], 0);
    let whole = verify("two.json");
    let batch = job.json(&[&prove[..], &["--batch", "four.npy", "-o", "proofs"]].concat(), 0);
    assert_eq!(batch["proofs"].as_array().unwrap().len(), 2);
    assert_eq!(verify("proofs/proof-0.json")["statement"]["output"], whole["statement"]["output"]);
    assert_ne!(verify("proofs/proof-1.json")["statement"]["output"], whole["statement"]["output"]);
    let refused = job.json(&[&prove[..], &["--batch", "three.npy", "-o", "proofs"]].concat(), 2);
    assert!(refused["error"]["message"].as_str().unwrap().contains("multiple"), "{refused}");
    for wrong in ["three.npy".into(), fixture("digits_mlp_input.npy")] {
        let refused = job.json(&[&prove[..], &["--input", &wrong, "-o", "wrong.json"]].concat(), 2);
        assert!(refused["error"]["message"].as_str().unwrap().contains("[2, 64]"), "{refused}");
    }
    let public = std::fs::read_to_string(job.path("two/model.pub")).unwrap();
    assert!(public.contains("\"batch\": 2"), "an auditor compiles the same program");
    job.json(&["audit", "two/model.pub", "--srs", "dev.srs", "--key", "two/verifying.key"], 0);
}

#[test]
fn integers_may_be_given_directly() {
    let job = Job::proved();
    let out_of_range = fixture("digits_mlp_input.npy");
    let real = job.json(&["run", "m.ifq", "--input-quantised", &out_of_range, "-o", "z.npy"], 2);
    assert!(real["error"]["message"].as_str().unwrap().contains("integer"));
    job.json(&["run", "m.ifq", "--input", &out_of_range, "-o", "z.npy"], 0);
}

/// A published model is the program of its key, and nothing that was changed in it is.
#[test]
fn published_models_are_audited() {
    let job = Job::proved();
    let audit =
        |extra: &[&str], code| job.json(&[&["audit", "keys/model.pub", "--srs", "dev.srs"], extra].concat(), code);
    let model: Value = serde_json::from_slice(&std::fs::read(job.path("keys/model.json")).unwrap()).unwrap();
    let [program, id] = ["programId", "modelId"].map(|field| model[field].as_str().unwrap());
    let audited = audit(&["--key", "keys/verifying.key", "--expect-program", program], 0);
    assert_eq!(
        (&audited["programId"], &audited["modelId"], &audited["insecure"]),
        (&program.into(), &id.into(), &true.into())
    );
    let kind = &job.json(&["inspect", "keys/model.pub"], 0)["kind"];
    assert_eq!(kind, "published model");
    assert_eq!(audit(&["--expect-program", &"00".repeat(32)], 1)["error"]["kind"], "invalid");
    // Of other weights it is the same program, of other published intervals another.
    job.json(&["setup", "m.ifq", "--srs", "dev.srs", "-o", "again"], 0);
    audit(&["--key", "again/verifying.key"], 0);
    let [onnx, samples] = ["digits_mlp.onnx", "digits_mlp_samples.npz"].map(fixture);
    job.json(&["quantise", &onnx, "--samples", &samples, "-o", "n.ifq", "--bits", "6", "--shift", "8"], 0);
    job.json(&["setup", "n.ifq", "--srs", "dev.srs", "-o", "other"], 0);
    let differs = audit(&["--key", "other/verifying.key"], 1);
    assert!(differs["error"]["message"].as_str().unwrap().contains("the program of the key"), "{differs}");
    // Another SRS names another program.
    job.json(&["srs", "new", "--insecure", "--k", "11", "-o", "two.srs"], 0);
    job.json(&["audit", "keys/model.pub", "--srs", "two.srs"], 1);

    let text = std::fs::read_to_string(job.path("keys/model.pub")).unwrap();
    let honest: Value = serde_json::from_str(&text).unwrap();
    let with = |pointer: &str, value: Value, code: i32| {
        let mut changed = honest.clone();
        *changed.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        std::fs::write(job.path("changed.pub"), changed.to_string()).unwrap();
        job.json(&["audit", "changed.pub", "--srs", "dev.srs"], code)
    };
    let nodes = honest["architecture"]["nodes"].as_array().unwrap();
    let affine = nodes.iter().position(|node| node["op"].get("affine").is_some()).unwrap();
    let quotient = format!("/architecture/nodes/{affine}/op/affine/quotient/hi");
    let interval = honest.pointer(&quotient).unwrap().as_i64().unwrap();
    // Tables hold whole blocks of quotients, so one less may be the same program.
    with(&quotient, (interval / 8).into(), 1);
    with("/architecture/shift", 7.into(), 1);
    with("/outputScale", "1.5".into(), 1);
    with("/programId", "11".repeat(32).into(), 1);
    // More rows than 2^k has.
    with("/layout/lanes", 2.into(), 2);
    // One that the SRS serves and the network does not have, and one that the SRS does not serve.
    for (k, part) in [(11, "its k is 11"), (12, "2^12 rows needs an SRS")] {
        let refused = with("/k", k.into(), 2);
        assert!(refused["error"]["message"].as_str().unwrap().contains(part), "{refused}");
    }
    with("/inputScale", "-1".into(), 2);
    with("/version", 3.into(), 2);
    with("/format", "inferproof/proof".into(), 2);
    with(&format!("/architecture/nodes/{affine}/name"), "\u{1b}[2J".into(), 2);
    with("/architecture/output", 99.into(), 2);
    for damaged in ["", "{", "[]", &text[..text.len() / 2]] {
        std::fs::write(job.path("changed.pub"), damaged).unwrap();
        job.json(&["audit", "changed.pub", "--srs", "dev.srs"], 2);
    }
}

/// Rows, `k`, cells, proof size and gas are what `inspect` said before there was a key.
#[cfg(feature = "evm")]
#[test]
fn predictions_are_exact() {
    let job = Job::proved();
    let inspected = job.json(&["inspect", "m.ifq"], 0);
    let plan = &inspected["plans"]["prover"][0];
    let model: Value = serde_json::from_slice(&std::fs::read(job.path("keys/model.json")).unwrap()).unwrap();
    // `setup` says what it took; the machine's speed is no part of it.
    for field in ["k", "lanes", "limb", "rows", "table", "weightRows", "activationRows", "fullCellsPerWeight", "gas"] {
        assert_eq!(plan[field], model["cost"][field], "{field}");
    }
    let key = job.json(&["inspect", "keys/verifying.key"], 0);
    assert_eq!((&plan["k"], &plan["lanes"]), (&key["k"], &key["lanes"]));
    let proof: Value = serde_json::from_slice(&std::fs::read(job.path("proof.json")).unwrap()).unwrap();
    let bytes = |field: &str| hex::decode(proof[field].as_str().unwrap()).unwrap();
    assert_eq!(plan["proofBytes"], bytes("proof").len());
    let check = ["contract", "check", "--key", "keys/verifying.key", "--srs", "dev.srs", "proof.json"];
    let gas = job.json(&check, 0)["verify"][0].as_u64().unwrap();
    let public = ["modelId", "context", "input", "output", "proof"].iter().flat_map(|field| bytes(field));
    let zeros = public.filter(|byte| *byte == 0).count() as u64;
    assert_eq!(plan["gas"], gas + 12 * zeros);

    // Of public weights too, whose proofs are shorter.
    let setup = job.json(&["setup", "m.ifq", "--srs", "dev.srs", "-o", "public", "--weights", "public"], 0);
    let input = fixture("digits_mlp_input.npy");
    job.json(&["prove", "--keys", "public", "--srs", "dev.srs", "--input", &input, "-o", "public.json"], 0);
    let proof: Value = serde_json::from_slice(&std::fs::read(job.path("public.json")).unwrap()).unwrap();
    let bytes = |field: &str| hex::decode(proof[field].as_str().unwrap()).unwrap();
    assert_eq!(setup["model"]["cost"]["proofBytes"], bytes("proof").len());
    let check = ["contract", "check", "--key", "public/verifying.key", "--srs", "dev.srs", "public.json"];
    let gas = job.json(&check, 0)["verify"][0].as_u64().unwrap();
    let shown = ["modelId", "context", "input", "output", "proof"].iter().flat_map(|field| bytes(field));
    assert_eq!(setup["model"]["cost"]["gas"], gas + 12 * shown.filter(|byte| *byte == 0).count() as u64);
}

/// What goes to a chain, and what it costs there.
#[cfg(feature = "evm")]
#[test]
fn contracts_keys_and_calldata() {
    let job = Job::proved();
    let exported = job.json(&["contract", "export", "-o", "package", "--srs", "dev.srs"], 0);
    assert_eq!(exported["insecure"], true);
    for file in exported["files"].as_array().unwrap() {
        assert!(job.path("package").join(file.as_str().unwrap()).is_file(), "{file}");
    }
    let source = std::fs::read_to_string(job.path("package/InferenceVerifier.sol")).unwrap();
    assert!(source.contains("contract InferenceVerifier is ModelKeys"));
    let model: Value = serde_json::from_slice(&std::fs::read(job.path("keys/model.json")).unwrap()).unwrap();
    let data = job.json(&["contract", "model-data", "--key", "keys/verifying.key"], 0);
    assert_eq!(data["modelId"].as_str().unwrap(), format!("0x{}", model["modelId"].as_str().unwrap()));
    assert!(data["key"].as_str().unwrap().starts_with(&format!("0x{}", hex::encode("inferproof/program/1"))));
    let one = job.json(&["contract", "calldata", "proof.json"], 0);
    assert_eq!((&one["function"], &one["calldata"].as_str().unwrap()[..2]), (&"verify".into(), "0x"));
    let two = job.json(&["contract", "calldata", "proof.json", "proof.json"], 0);
    assert_eq!(two["function"], "verifyBatch");
    let check = ["contract", "check", "--key", "keys/verifying.key", "--srs", "dev.srs"];
    let report = job.json(&[&check[..], &["proof.json", "proof.json"]].concat(), 0);
    let gas = |value: &Value| value.as_u64().unwrap();
    assert!(gas(&report["verify"][0]) < 800_000 && gas(&report["batch"]) < 2 * gas(&report["verify"][0]));
    let prague = job.json(&[&check[..], &["--fork", "prague", "proof.json"]].concat(), 0);
    assert!(gas(&prague["verify"][0]) < gas(&report["verify"][0]), "inversions cost less before Osaka");
    // A proof that does not hold exits with 1, a file that is none with 2.
    let proof = std::fs::read_to_string(job.path("proof.json")).unwrap();
    let mut bad: Value = serde_json::from_str(&proof).unwrap();
    bad["context"] = "11".repeat(32).into();
    std::fs::write(job.path("bad.json"), bad.to_string()).unwrap();
    let failed = job.json(&[&check[..], &["bad.json"]].concat(), 1);
    assert!(failed["error"]["message"].as_str().unwrap().contains("InvalidProof"), "{failed}");
    job.json(&[&check[..], &["dev.srs"]].concat(), 2);
    job.json(&["contract", "model-data", "--key", "dev.srs"], 2);
    // The contract's digest, as another implementation of the ABI has it.
    let address = |last: &str| format!("0x{last:0>40}");
    let context = |request: &str, code| {
        let [consumer, beneficiary] = ["c0", "be"].map(address);
        let usage = ["--consumer", &consumer, "--request", request, "--beneficiary", &beneficiary];
        let command = [&["contract", "context", "--chain-id", "1"], &usage[..], &["--expiry", "1893456000"]].concat();
        job.json(&command, code)
    };
    let expected = "0x66ad8f268ea63d0bab496daf2fd8e0365676d168878754230b828f3c9a4269bf";
    for request in ["7", &format!("{:0>64}", 7)] {
        assert_eq!(context(request, 0)["context"], expected);
    }
    context("seven", 2);
}
