//! The command line with commitments, segments and versions, as a user runs it.

mod cli_job;

use cli_job::{Job, fixture};
use serde_json::Value;

impl Job {
    /// A quantised model and an SRS.
    fn quantised() -> Self {
        let job = Self::new();
        let [onnx, samples] = ["digits_mlp.onnx", "digits_mlp_samples.npz"].map(fixture);
        let bits = ["--bits", "7", "--shift", "8", "--headroom", "1"];
        job.json(&[&["quantise", &onnx, "--samples", &samples, "-o", "m.ifq"][..], &bits].concat(), 0);
        job.json(&["srs", "new", "--insecure", "--k", "11", "-o", "dev.srs"], 0);
        job
    }

    /// Words of a line, with the SRS after them.
    fn line(&self, line: &str, code: i32) -> Value {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.json(&[&words[..], &["--srs", "dev.srs"]].concat(), code)
    }

    fn message(&self, line: &str, code: i32) -> String {
        self.line(line, code)["error"]["message"].as_str().unwrap().to_string()
    }
}

#[test]
fn committed_input_and_output() {
    let job = Job::quantised();
    let x = fixture("digits_mlp_input.npy");
    let setup = job.line("setup m.ifq -o keys --input-as committed --output-as committed", 0);
    assert_eq!(setup["model"]["seen"]["input"], "committed");
    let made = job.line(&format!("commit --input {x} --like m.ifq -o x"), 0);
    let id = made["tensor"]["tensorId"].as_str().unwrap().to_string();
    // By the scale alone, and like a key: the same header, another commitment.
    let other = job.line(&format!("commit --input {x} --like keys/verifying.key -o other"), 0);
    assert_ne!(other["tensor"]["tensorId"], made["tensor"]["tensorId"]);
    let scale = made["tensor"]["scale"].to_string();
    let range = format!("{}..{}", made["tensor"]["range"][0], made["tensor"]["range"][1]);
    let same = job.line(&format!("commit --input {x} --range {range} --scale {scale} -o same"), 0);
    assert_eq!(same["tensor"]["scale"], made["tensor"]["scale"]);
    assert_ne!(same["tensor"]["shape"], made["tensor"]["shape"], "the array has an axis for the batch");
    // An opening is never replaced.
    let before = std::fs::read(job.path("x.opening")).unwrap();
    assert!(job.message(&format!("commit --input {x} --like m.ifq -o x"), 2).contains("there already"));
    assert_eq!(std::fs::read(job.path("x.opening")).unwrap(), before);
    std::fs::remove_file(job.path("x.commitment")).unwrap();
    assert_eq!(job.line("commit --opening x.opening -o x", 0)["tensor"]["tensorId"], id);

    let prove = "prove --keys keys -o proof.json";
    assert!(job.message(&format!("{prove} --input {x} --commit-output y"), 2).contains("--input-opening"));
    assert!(job.message(&format!("{prove} --input-opening x.opening"), 2).contains("--commit-output"));
    let proved = job.line(&format!("{prove} --input-opening x.opening --commit-output y"), 0);
    assert_eq!(proved["output"], Value::Null, "what is committed is not printed");
    let verify = "verify --key keys/verifying.key";
    let verified =
        job.line(&format!("{verify} --input-commitment x.commitment --output-commitment y.commitment proof.json"), 0);
    assert_eq!(verified["statement"]["input"]["tensorId"], id);
    assert_eq!(verified["statement"]["input"]["values"], Value::Null);
    assert!(job.message(&format!("{verify} --input-commitment other.commitment proof.json"), 1).contains("tensorId"));
    job.line(&format!("{verify} --output-commitment x.commitment proof.json"), 1);
    // A public file in the place of a secret one, and the other way round, says what it is.
    assert!(
        job.message(&format!("{prove} --input-opening x.commitment --commit-output z"), 2).contains("a commitment")
    );
    assert!(job.message(&format!("{verify} --input-commitment x.opening proof.json"), 2).contains("the opening of"));
    let inspected = job.json(&["inspect", "x.opening"], 0);
    assert_eq!((inspected["tensorId"].as_str(), inspected["values"].clone()), (Some(id.as_str()), Value::Null));
    #[cfg(unix)]
    for secret in ["x.opening", "y.opening", "keys/proving.key", "m.ifq"] {
        use std::os::unix::fs::PermissionsExt;
        let bytes = std::fs::read(job.path(secret)).unwrap();
        assert!(bytes.starts_with(b"INFSECRT"), "{secret} says that it is secret");
        assert_eq!(std::fs::metadata(job.path(secret)).unwrap().permissions().mode() & 0o777, 0o600, "{secret}");
    }
}

#[test]
fn private_ends_are_not_shown() {
    let job = Job::quantised();
    let x = fixture("digits_mlp_input.npy");
    job.line("setup m.ifq -o keys --input-as private --output-as private", 0);
    let proved = job.line(&format!("prove --keys keys --input {x} -o proof.json"), 0);
    assert_eq!(proved["output"], Value::Null);
    let proof: Value = serde_json::from_slice(&std::fs::read(job.path("proof.json")).unwrap()).unwrap();
    assert_eq!((proof["input"].as_str(), proof["output"].as_str()), (Some(""), Some("")));
    let verified = job.line("verify --key keys/verifying.key proof.json", 0);
    assert_eq!(verified["statement"]["output"]["seen"], "private");
    job.line("audit keys/model.pub --key keys/verifying.key", 0);
    assert!(job.message("setup m.ifq -o other --input-as given", 2).contains("given"));
}

#[test]
fn ranges_of_weights() {
    let job = Job::quantised();
    job.line("setup m.ifq -o keys", 0);
    let proved = job.line("prove-range --keys keys -o range.json", 0);
    let [weights, biases] = ["weightBits", "biasBits"].map(|name| proved["range"][name].as_u64().unwrap());
    let audit = "audit keys/model.pub --key keys/verifying.key --range";
    assert_eq!(job.line(&format!("{audit} range.json"), 0)["range"], proved["range"]);
    job.line(&format!("{audit} range.json --expect-weight-bits {weights} --expect-bias-bits {biases}"), 0);
    job.line(&format!("{audit} range.json --expect-weight-bits {}", weights - 1), 1);
    job.line(&format!("{audit} range.json --expect-bias-bits {}", biases - 1), 1);
    let declare = |weights, biases, code| {
        job.line(
            &format!("prove-range --keys keys --weight-bits {weights} --bias-bits {biases} -o declared.json"),
            code,
        )
    };
    let refused = declare(weights - 1, biases, 2);
    assert!(refused["error"]["message"].as_str().unwrap().contains(&format!("take {weights} bits")), "{refused}");
    assert!(!job.path("declared.json").exists());
    declare(99, biases, 2);
    // What is declared is what is proved, no less.
    let text = std::fs::read_to_string(job.path("range.json")).unwrap();
    let claimed = text.replace(&format!("\"weightBits\": {weights}"), &format!("\"weightBits\": {}", weights - 1));
    assert_ne!(claimed, text);
    std::fs::write(job.path("claimed.json"), claimed).unwrap();
    assert_eq!(job.line(&format!("{audit} claimed.json"), 1)["error"]["kind"], "invalid");
    job.line(&format!("{audit} keys/model.json"), 2);
    job.line("setup m.ifq -o open --weights public", 0);
    assert!(job.message("prove-range --keys open -o range-open.json", 2).contains("public"));
}

#[test]
fn segments() {
    let job = Job::quantised();
    let x = fixture("digits_mlp_input.npy");
    job.json(&["split", "m.ifq", "--parts", "2", "-o", "parts"], 0);
    let failed = job.json(&["split", "m.ifq", "--parts", "9", "-o", "parts"], 2);
    assert!(failed["error"]["message"].as_str().unwrap().contains("1 to 2"));
    let setup = job.line("setup parts -o keys", 0);
    let chain = setup["chainId"].as_str().unwrap().to_string();
    // Any job may make one segment's keys.
    job.line("setup parts --segment 1 -o apart", 0);
    assert!(job.path("apart/segment-1/proving.key").exists() && !job.path("apart/segment-0").exists());
    job.line(&format!("commit --keys keys --input {x} -o b"), 0);
    let last = "prove --keys keys --segment 1 --input-opening b/boundary-0.opening -o p1.json";
    job.line(last, 0);
    job.line(&format!("prove --keys keys --segment 0 --input {x} --output-opening b/boundary-0.opening -o p0.json"), 0);
    // The same job again, as a job runner may run it, makes as good a proof.
    job.line(last, 0);
    job.json(&["run", "m.ifq", "--input", &x, "-o", "y.npy"], 0);
    let verified =
        job.line(&format!("verify --key keys --expect-model {chain} --expect-output y.npy p0.json p1.json"), 0);
    assert_eq!(verified["statement"]["chainId"], chain);
    for wrong in ["p0.json", "p1.json", "p0.json p1.json p1.json"] {
        job.line(&format!("verify --key keys {wrong}"), 2);
    }
    for wrong in ["p1.json p0.json", "p0.json p0.json"] {
        job.line(&format!("verify --key keys {wrong}"), 1);
    }
    let other = "00".repeat(32);
    job.line(&format!("verify --key keys --expect-model {other} p0.json p1.json"), 1);
    assert!(job.message("verify --key parts p0.json p1.json", 2).contains("no keys of segments"));
    // A chain in a folder that holds a longer one would be taken for that.
    std::fs::create_dir(job.path("keys/segment-2")).unwrap();
    assert!(job.message("setup parts -o keys", 2).contains("another folder"));
}

#[test]
fn a_new_version() {
    let job = Job::quantised();
    let [onnx, cnn, samples, cnn_samples, x] = [
        "digits_mlp.onnx",
        "digits_cnn.onnx",
        "digits_mlp_samples.npz",
        "digits_cnn_samples.npz",
        "digits_mlp_input.npy",
    ]
    .map(fixture);
    let first = job.line("setup m.ifq -o keys", 0);
    job.json(&["quantise", &onnx, "--samples", &samples, "--like", "m.ifq", "-o", "next.ifq"], 0);
    let next = job.line("commit next.ifq --keys keys -o keys-next", 0);
    assert_eq!(next["model"]["programId"], first["model"]["programId"]);
    assert_ne!(next["model"]["modelId"], first["model"]["modelId"]);
    assert_eq!(next["previousModelId"], first["model"]["modelId"]);
    job.line(&format!("prove --keys keys-next --input {x} -o proof.json"), 0);
    job.line("verify --key keys-next/verifying.key proof.json", 0);
    job.line("verify --key keys/verifying.key proof.json", 1);
    job.line("audit keys/model.pub --key keys-next/verifying.key", 0);
    job.json(&["quantise", &cnn, "--samples", &cnn_samples, "--like", "m.ifq", "-o", "bad.ifq"], 2);
    job.json(&["quantise", &cnn, "--samples", &cnn_samples, "-o", "cnn.ifq"], 0);
    assert!(job.message("commit cnn.ifq --keys keys -o keys-cnn", 2).contains("no version"));
    assert!(!job.path("keys-cnn").exists());
}
