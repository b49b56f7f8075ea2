//! `inferproof srs`.

use crate::Outcome;
use crate::failure::Failure;
use crate::progress::Stages;
use clap::Subcommand;
use inferproof::srs::{PtauOptions, Srs as Reference};
use rand_core::OsRng;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Subcommands of `srs`.
#[derive(Subcommand)]
pub(crate) enum Srs {
    /// Make one for development: whoever makes it can forge proofs.
    New {
        /// Say that you know: the only kind that can be made alone.
        #[arg(long, required = true)]
        insecure: bool,
        /// It serves circuits of up to 2^K rows.
        #[arg(long)]
        k: u32,
        /// File to write.
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Import a snarkjs .ptau file; every point is checked.
    Import {
        /// The .ptau file.
        file: PathBuf,
        /// It serves circuits of up to 2^K rows.
        #[arg(long)]
        k: u32,
        /// File to write.
        #[arg(short, long)]
        output: PathBuf,
        /// Mark it insecure, for a file that is no ceremony's.
        #[arg(long)]
        insecure: bool,
    },
}

impl Srs {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let mut stages = Stages::default();
        let (srs, output) = match self {
            Self::New { k, output, .. } => (stages.run("generate", || Reference::development(*k, OsRng))?, output),
            Self::Import { file, k, output, insecure } => {
                let mut options = PtauOptions::default();
                options.insecure = *insecure;
                (stages.run("import", || Reference::from_ptau_path(file, *k, &options))?, output)
            }
        };
        srs.write(output)?;
        Ok(outcome(&srs, output, &stages))
    }
}

fn outcome(srs: &Reference, output: &Path, stages: &Stages) -> Outcome {
    let id = hex::encode(srs.srs_id());
    let warning =
        if srs.insecure() { "INSECURE: proofs made with it can be forged; for development only\n" } else { "" };
    Outcome {
        json: json!({
            "ok": true, "k": srs.k(), "insecure": srs.insecure(), "srsId": id, "seconds": stages.to_json(),
        }),
        text: format!("SRS {id}\n{warning}written  {} (k {})\n{}", output.display(), srs.k(), stages.to_text()),
    }
}
