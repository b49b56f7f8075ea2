//! `inferproof contract`.

use crate::Outcome;
use crate::failure::Failure;
use crate::inputs::parse_word;
use crate::progress::Stages;
use clap::{Subcommand, ValueEnum};
use inferproof::artefact::replace_file;
use inferproof::engine::Shape;
use inferproof::evm::{self, CheckError, UseContext, artefacts, chain};
use inferproof::keys::VerifyingKey;
use inferproof::proof::Proof;
use inferproof::srs::Srs;
use serde_json::{Value, json};
use sha3::{Digest, Keccak256};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Subcommands of `contract`.
#[derive(Subcommand)]
pub(crate) enum Contract {
    /// Write the sources of all contracts and the compiled verifiers; with an SRS also the code that deploys each verifier.
    Export {
        /// Folder to write to.
        #[arg(short, long)]
        output: PathBuf,
        /// Structured reference string; only its verifier's part is read.
        #[arg(long)]
        srs: Option<PathBuf>,
    },
    /// Print the calldata that verifies a proof, or several in one call.
    Calldata {
        /// The proofs are of a chain's segments, in order: calldata of `ChainVerifier`.
        #[arg(long)]
        chain: bool,
        /// Proofs (JSON).
        #[arg(required = true)]
        proofs: Vec<PathBuf>,
    },
    /// Print the context that binds a proof to its use, as `InferenceContext` computes it: for `prove --context`.
    Context {
        /// Chain of the contract that acts on the proof.
        #[arg(long, value_name = "ID")]
        chain_id: u64,
        /// That contract.
        #[arg(long, value_parser = parse_address, value_name = "ADDRESS")]
        consumer: evm::Address,
        /// What it is asked: 32 bytes in hex, or a number.
        #[arg(long, value_parser = parse_request, value_name = "WORD")]
        request: [u8; 32],
        /// Who gains from the proof.
        #[arg(long, value_parser = parse_address, value_name = "ADDRESS")]
        beneficiary: evm::Address,
        /// Last second, in Unix time, at which the contract accepts it.
        #[arg(long, value_name = "SECONDS")]
        expiry: u64,
    },
    /// Print a model's key as the contract stores it, and the calldata that does.
    ModelData {
        /// Verifying key.
        #[arg(long)]
        key: PathBuf,
    },
    /// Deploy, store and verify in memory, and say what the chain would charge.
    Check {
        /// Verifying key.
        #[arg(long)]
        key: PathBuf,
        /// Structured reference string; only its verifier's part is read.
        #[arg(long)]
        srs: PathBuf,
        /// Rules of gas.
        #[arg(long, value_enum, default_value_t = Fork::Osaka)]
        fork: Fork,
        /// Proofs (JSON).
        #[arg(required = true)]
        proofs: Vec<PathBuf>,
    },
}

/// Forks that gas can be measured under.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Fork {
    Prague,
    Osaka,
}

impl Contract {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        match self {
            Self::Export { output, srs } => export(output, srs.as_deref()),
            Self::Calldata { chain, proofs } => calldata(*chain, proofs),
            Self::Context { chain_id, consumer, request, beneficiary, expiry } => {
                let (chain_id, expiry) = (*chain_id, *expiry);
                let (consumer, request, beneficiary) = (*consumer, *request, *beneficiary);
                let context = hex(&UseContext { chain_id, consumer, request, beneficiary, expiry }.digest());
                Ok(Outcome { json: json!({ "ok": true, "context": context }), text: context })
            }
            Self::ModelData { key } => model_data(key),
            Self::Check { key, srs, fork, proofs } => check(key, srs, *fork, proofs),
        }
    }
}

fn parse_address(text: &str) -> Result<evm::Address, String> {
    let bytes = hex::decode(text.strip_prefix("0x").unwrap_or(text)).map_err(|e| format!("not hex: {e}"))?;
    bytes.try_into().map_err(|bytes: Vec<u8>| format!("{} bytes, an address has 20", bytes.len()))
}

fn parse_request(text: &str) -> Result<[u8; 32], String> {
    let Ok(number) = text.parse::<u64>() else { return parse_word(text) };
    let mut word = [0; 32];
    word[24..].copy_from_slice(&number.to_be_bytes());
    Ok(word)
}

fn load(proofs: &[PathBuf]) -> Result<Vec<Proof>, Failure> {
    proofs.iter().map(|path| Ok(Proof::load(path)?)).collect()
}

fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn export(folder: &Path, srs: Option<&Path>) -> Result<Outcome, Failure> {
    let mut files = vec![];
    let mut write = |name: &str, text: &str| -> Result<(), Failure> {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent)
            .map_err(|e| Failure::Unusable(format!("cannot create {}: {e}", parent.display())))?;
        replace_file(&path, &[text.as_bytes()], false)?;
        files.push(name.to_string());
        Ok(())
    };
    for (name, text) in artefacts::SOURCES {
        write(name, text)?;
    }
    let contracts = Shape::ALL.map(|shape| (shape, artefacts::verifier(shape)));
    let mut verifiers = contracts.clone().map(|(shape, contract)| {
        json!({
            "shape": shape, "contract": contract.contract_name, "codeBytes": contract.deployed_bytecode.len(),
            "proofTag": hex(&inferproof::keys::proof_tag(shape)),
        })
    });
    let mut json = json!({ "ok": true, "compiler": contracts[0].1.compiler });
    let mut text = String::new();
    for (shape, contract) in &contracts {
        let artefacts::Contract { contract_name, deployed_bytecode, compiler, .. } = contract;
        let shape = shape.name();
        let _ =
            writeln!(text, "{contract_name} for keys of shape {shape}: {} bytes, {compiler}", deployed_bytecode.len());
    }
    if let Some(path) = srs {
        let srs = Srs::read_verifier_part(path)?;
        let digest = hex(&Keccak256::digest(evm::srs_data(&srs)?));
        for ((_, contract), described) in contracts.iter().zip(&mut verifiers) {
            let file = format!("{}.hex", contract.contract_name);
            write(&file, &hex(&evm::deployment(&contract.bytecode, &srs)?))?;
            described["deployment"] = json!(file);
        }
        json["srsId"] = json!(hex(&srs.srs_id()));
        json["srsDigest"] = json!(digest);
        json["insecure"] = json!(srs.insecure());
        let _ = writeln!(text, "SRS      {} (digest {digest})", hex(&srs.srs_id()));
        if srs.insecure() {
            text += "INSECURE: proofs made with this SRS can be forged; for development only\n";
        }
    }
    json["verifiers"] = json!(verifiers);
    json["files"] = json!(files);
    let _ = write!(text, "written  {}: {}", folder.display(), files.join(", "));
    Ok(Outcome { json, text })
}

fn calldata(chain: bool, proofs: &[PathBuf]) -> Result<Outcome, Failure> {
    let proofs = load(proofs)?;
    let (function, data) = match &proofs[..] {
        _ if chain => ("verifyChain", evm::chain_calldata(&proofs).unwrap_or_default()),
        [proof] => ("verify", evm::verify_calldata(proof)),
        _ => ("verifyBatch", evm::batch_calldata(&proofs)),
    };
    let data = hex(&data);
    Ok(Outcome { json: json!({ "ok": true, "function": function, "calldata": data }), text: data })
}

fn model_data(key: &Path) -> Result<Outcome, Failure> {
    let key = VerifyingKey::load(key)?;
    let (data, store) = (hex(&evm::model_data(&key)), hex(&evm::store_calldata(&key)));
    let json = json!({
        "ok": true, "modelId": hex(&key.model_id()), "programId": hex(&key.program_id()),
        "weightsId": hex(&key.weights_id()), "srsId": hex(&key.srs_id()), "insecure": key.insecure(),
        "key": data, "storeCalldata": store,
    });
    Ok(Outcome { json, text: data })
}

fn check(key: &Path, srs: &Path, fork: Fork, proofs: &[PathBuf]) -> Result<Outcome, Failure> {
    let mut stages = Stages::default();
    let (key, srs, proofs) = (VerifyingKey::load(key)?, Srs::read_verifier_part(srs)?, load(proofs)?);
    let fork = match fork {
        Fork::Prague => chain::Fork::Prague,
        Fork::Osaka => chain::Fork::Osaka,
    };
    let report = stages.run("check", || evm::check(&key, &srs, &proofs, fork)).map_err(|e| match e {
        CheckError::Refused { .. } => Failure::Invalid(e.to_string()),
        other => other.into(),
    })?;
    let mut json: Value = serde_json::to_value(&report)?;
    json["ok"] = json!(true);
    json["modelId"] = json!(hex(&key.model_id()));
    let mut text = format!(
        "model      {}\ndeploy     {:9} gas, {} bytes\n",
        hex(&key.model_id()),
        report.deployment,
        report.code_bytes
    );
    let _ = writeln!(text, "store key  {:9} gas", report.store_key);
    for (gas, path) in report.verify.iter().zip(&proofs) {
        let _ = writeln!(text, "verify     {gas:9} gas, {} bytes of proof", path.bytes.len());
    }
    if let Some(gas) = report.batch {
        let _ = writeln!(text, "batch      {gas:9} gas for {} proofs", proofs.len());
    }
    Ok(Outcome { json, text: text + &stages.to_text() })
}
