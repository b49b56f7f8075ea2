//! `inferproof inspect`.

use crate::Outcome;
use crate::failure::Failure;
use clap::Args;
use inferproof::artefact::{Identity, Kind, identify};
use inferproof::graph::Graph;
use inferproof::keys::{ProvingKey, VerifyingKey};
use inferproof::model::Model;
use inferproof::onnx;
use inferproof::proof::Proof;
use inferproof::srs::Srs;
use inferproof_circuits::plan::{Cost, Optimise, plan};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;

/// Arguments of `inspect`.
#[derive(Args)]
pub(crate) struct Inspect {
    /// Any file of ours, or an ONNX model.
    file: PathBuf,
}

impl Inspect {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let mut head = vec![0; 64];
        let read = {
            use std::io::Read;
            std::fs::File::open(&self.file)
                .and_then(|mut f| f.read(&mut head))
                .map_err(|e| Failure::Unusable(format!("cannot read {}: {e}", self.file.display())))?
        };
        head.truncate(read);
        match identify(&head) {
            Identity::Artefact { kind: Kind::NETWORK, .. } => model(&Model::load(&self.file)?),
            Identity::Artefact { kind: Kind::VERIFYING_KEY, .. } => {
                Ok(verifying_key("verifying key", &VerifyingKey::load(&self.file)?))
            }
            Identity::Artefact { kind: Kind::PROVING_KEY, .. } => {
                Ok(verifying_key("proving key (secret)", ProvingKey::load(&self.file)?.verifying_key()))
            }
            Identity::Artefact { kind: Kind::SRS, .. } => srs(self),
            _ if head.first() == Some(&b'{') => Ok(proof(&Proof::load(&self.file)?)),
            _ => graph(&self.file),
        }
    }
}

fn srs(command: &Inspect) -> Result<Outcome, Failure> {
    let srs = Srs::read_verifier_part(&command.file)?;
    let json = json!({
        "kind": "srs", "k": srs.k(), "insecure": srs.insecure(), "origin": srs.origin(),
        "srsId": hex::encode(srs.srs_id()),
    });
    let security = if srs.insecure() { "INSECURE: for development only" } else { "imported from a ceremony" };
    let text = format!(
        "SRS\nk        {}\norigin   {} ({security})\nsrsId    {}\n",
        srs.k(),
        srs.origin(),
        hex::encode(srs.srs_id())
    );
    Ok(Outcome { json, text })
}

fn verifying_key(kind: &str, key: &VerifyingKey) -> Outcome {
    let json = json!({
        "kind": kind, "k": key.k(), "insecure": key.insecure(),
        "modelId": hex::encode(key.model_id()), "programId": hex::encode(key.program_id()),
        "weightsId": hex::encode(key.weights_id()), "srsId": hex::encode(key.srs_id()),
        "weights": key.weights().visibility, "lanes": key.weights().points.len(),
        "inputShape": key.io().input.shape, "outputShape": key.io().output.shape,
    });
    let text = format!(
        "{kind}\nmodelId   {}\nprogramId {}\nweightsId {}\nk         {}\nlanes     {}\nSRS       {}{}\n",
        hex::encode(key.model_id()),
        hex::encode(key.program_id()),
        hex::encode(key.weights_id()),
        key.k(),
        key.weights().points.len(),
        hex::encode(key.srs_id()),
        if key.insecure() { " (INSECURE: for development only)" } else { "" }
    );
    Outcome { json, text }
}

fn proof(proof: &Proof) -> Outcome {
    let s = &proof.statement;
    let json = json!({
        "kind": "proof", "modelId": hex::encode(s.model_id), "context": hex::encode(s.context),
        "inputBytes": s.input.len(), "outputBytes": s.output.len(), "proofBytes": proof.bytes.len(),
    });
    let text = format!(
        "proof of {} bytes (not verified)\nmodelId  {}\ncontext  {}\ninput    {} bytes\noutput   {} bytes\n",
        proof.bytes.len(),
        hex::encode(s.model_id),
        hex::encode(s.context),
        s.input.len(),
        s.output.len()
    );
    Outcome { json, text }
}

fn model(model: &Model) -> Result<Outcome, Failure> {
    let mut json = model.to_json(false);
    let mut text = format!("quantised model {}\n", model.name);
    for (id, node) in model.architecture.nodes.iter().enumerate() {
        let (shape, range) = (format!("{:?}", node.shape), node.range);
        let _ = writeln!(text, "{id:4} {:<9} {shape:<16} [{}, {}]  {}", node.op.name(), range.lo, range.hi, node.name);
    }
    let mut plans = serde_json::Map::new();
    for (name, optimise) in [("prover", Optimise::Prover), ("gas", Optimise::Gas)] {
        let (_, costs) = plan(&model.architecture, optimise)?;
        let _ = write!(text, "\nplans for --optimise {name}, the first is taken\n{}", cost_table(&costs));
        plans.insert(name.into(), json!(costs));
    }
    if let Value::Object(object) = &mut json {
        object.insert("plans".into(), Value::Object(plans));
    }
    Ok(Outcome { json, text })
}

/// One line a plan.
pub(crate) fn cost_table(costs: &[Cost]) -> String {
    let mut text =
        "  lanes  limb   k    rows   table  full cells/weight  cells/activation  proof B  prover s     gas\n"
            .to_string();
    for c in costs {
        let _ = writeln!(
            text,
            "  {:5}  {:>4}  {:2}  {:6}  {:6}  {:17.4}  {:16.2}  {:7}  {:8.2}  {:6}",
            c.layout.lanes,
            c.layout.limb.map_or_else(|| "-".into(), |bits| bits.to_string()),
            c.k,
            c.rows,
            c.table,
            c.full_cells_per_weight,
            c.cells_per_activation,
            c.proof_bytes,
            c.prover_seconds,
            c.gas
        );
    }
    text
}

fn graph(path: &std::path::Path) -> Result<Outcome, Failure> {
    let graph: Graph = onnx::import_file(path)?;
    let parameters: usize = graph.nodes.iter().map(|n| n.op.parameter_count()).sum();
    let nodes: Vec<Value> = graph
        .nodes
        .iter()
        .map(|n| json!({ "name": n.name, "operator": n.op.name(), "inputs": n.inputs, "shape": n.shape }))
        .collect();
    let mut text = format!("ONNX model, {} nodes, {parameters} parameters, every node is supported\n", nodes.len());
    for (id, node) in graph.nodes.iter().enumerate() {
        let shape = format!("{:?}", node.shape);
        let _ = writeln!(text, "{id:4} {:<12} {shape:<16} {}", node.op.name(), node.name);
    }
    let json = json!({
        "kind": "onnx", "parameters": parameters, "nodes": nodes,
        "inputShape": graph.input_shape(), "outputShape": graph.output_shape(),
    });
    Ok(Outcome { json, text })
}
