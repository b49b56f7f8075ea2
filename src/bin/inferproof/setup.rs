//! `inferproof setup`.

use crate::Outcome;
use crate::failure::Failure;
use crate::inputs::InterfaceArguments;
use crate::preflight::{charged, cost_table};
use crate::progress::Stages;
use clap::{Args, ValueEnum};
use inferproof::artefact::replace_file;
use inferproof::commitment::WeightVisibility;
use inferproof::keys::{PublicModel, SetupOptions, setup};
use inferproof::model::Model;
use inferproof::srs::Srs;
use inferproof_circuits::plan::{Optimise, plan};
use rand_core::OsRng;
use serde_json::json;
use std::path::PathBuf;

#[derive(Clone, Copy, ValueEnum)]
enum Weights {
    Secret,
    Public,
}

#[derive(Clone, Copy, ValueEnum)]
enum Goal {
    Prover,
    Gas,
    Memory,
}

/// Arguments of `setup`.
#[derive(Args)]
pub(crate) struct Setup {
    /// Quantised model (.ifq).
    model: PathBuf,
    /// Structured reference string.
    #[arg(long)]
    srs: PathBuf,
    /// Folder for proving.key (secret), verifying.key, model.pub, model.json.
    #[arg(short, long)]
    output: PathBuf,
    /// Whether the weights stay secret.
    #[arg(long, value_enum, default_value = "secret")]
    weights: Weights,
    /// What the circuit is planned for.
    #[arg(long, value_enum, default_value = "prover")]
    optimise: Goal,
    #[command(flatten)]
    interface: InterfaceArguments,
}

impl Setup {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let mut stages = Stages::default();
        let model = Model::load(&self.model)?;
        let options = SetupOptions {
            visibility: match self.weights {
                Weights::Secret => WeightVisibility::Secret,
                Weights::Public => WeightVisibility::Public,
            },
            optimise: match self.optimise {
                Goal::Prover => Optimise::Prover,
                Goal::Gas => Optimise::Gas,
                Goal::Memory => Optimise::Memory,
            },
            interface: self.interface.interface(),
            layout: None,
        };
        let (program, costs) = stages.run("plan", || plan(&model.architecture, options.interface, options.optimise))?;
        let srs = stages.run("read SRS", || Srs::read_up_to(&self.srs, program.k))?;
        let options = SetupOptions { layout: Some(program.layout), ..options };
        let (key, _) = stages.run("setup", || setup(&model, &srs, &options, OsRng))?;
        let costs = charged(&model.architecture, options.interface, costs)?;
        let verifying = key.verifying_key();
        let description = json!({
            "format": "inferproof/model", "version": 1,
            "modelId": hex::encode(verifying.model_id()), "programId": hex::encode(verifying.program_id()),
            "weightsId": hex::encode(verifying.weights_id()), "srsId": hex::encode(verifying.srs_id()),
            "insecure": verifying.insecure(), "weights": verifying.weights().visibility,
            "k": verifying.k(), "lanes": verifying.weights().points.len(), "cost": costs.first(),
        });
        std::fs::create_dir_all(&self.output)
            .map_err(|e| Failure::Unusable(format!("cannot create {}: {e}", self.output.display())))?;
        key.save(&self.output.join("proving.key"))?;
        verifying.save(&self.output.join("verifying.key"))?;
        PublicModel::of(&key).save(&self.output.join("model.pub"))?;
        replace_file(&self.output.join("model.json"), &[&serde_json::to_vec_pretty(&description)?], false)?;
        let mut text = format!("modelId  {}\n", hex::encode(verifying.model_id()));
        if verifying.insecure() {
            text += "INSECURE: the SRS is for development only\n";
        }
        text += &format!("plans, the first is taken\n{}", cost_table(&costs));
        text += &format!("written  {}\n{}", self.output.display(), stages.to_text());
        let json = json!({ "ok": true, "model": description, "plans": costs, "seconds": stages.to_json() });
        Ok(Outcome { json, text })
    }
}
