//! `inferproof split`, and where the files of segments are.

use crate::Outcome;
use crate::failure::Failure;
use crate::progress::Stages;
use clap::Args;
use inferproof::chain::{interfaces, split};
use inferproof::model::Model;
use inferproof_circuits::interface::Interface;
use inferproof_circuits::machine::Shape;
use inferproof_circuits::plan::{Optimise, plan_batch};
use serde_json::json;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Arguments of `split`.
#[derive(Args)]
pub(crate) struct Split {
    /// Quantised model (.ifq).
    model: PathBuf,
    /// Number of segments.
    #[arg(long)]
    parts: usize,
    /// Folder for segment-0.ifq, segment-1.ifq, ..
    #[arg(short, long)]
    output: PathBuf,
}

impl Split {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let mut stages = Stages::default();
        let model = Model::load(&self.model)?;
        let segments = stages.run("split", || split(&model, self.parts))?;
        create(&self.output)?;
        no_more_than(&segment_file(&self.output, segments.len()))?;
        let mut text = String::from("segment  nodes      rows   k  ends with\n");
        let mut json = vec![];
        for (index, (segment, interface)) in
            segments.iter().zip(interfaces(Interface::default(), self.parts)).enumerate()
        {
            segment.save(segment_file(&self.output, index))?;
            let (program, _) = stages.run("plan", || {
                plan_batch(&segment.architecture, interface, Optimise::Prover, 1, Some(Shape::Single))
            })?;
            let architecture = &segment.architecture;
            let last = &architecture.nodes[architecture.output];
            let (nodes, rows, k) = (architecture.nodes.len(), program.rows.len(), program.k);
            let _ = writeln!(text, "{index:7}  {nodes:5}  {rows:8}  {k:2}  {} {:?}", last.name, last.shape);
            json.push(json!({ "nodes": nodes, "rows": rows, "k": k, "endsWith": last.name, "shape": last.shape }));
        }
        let _ = write!(text, "written  {}\n{}", self.output.display(), stages.to_text());
        Ok(Outcome { json: json!({ "ok": true, "segments": json, "seconds": stages.to_json() }), text })
    }
}

/// Refuses a folder that holds more segments, of something else: they would be taken for more of this.
pub(crate) fn no_more_than(next: &Path) -> Result<(), Failure> {
    if next.exists() {
        let message = format!("{} is there already, of a chain with more segments; use another folder", next.display());
        return Err(Failure::Unusable(message));
    }
    Ok(())
}

/// Makes a folder.
pub(crate) fn create(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|e| Failure::Unusable(format!("cannot create {}: {e}", folder.display())))
}

/// The model of a segment.
pub(crate) fn segment_file(folder: &Path, index: usize) -> PathBuf {
    folder.join(format!("segment-{index}.ifq"))
}

/// The keys of a segment.
pub(crate) fn key_folder(keys: &Path, index: usize) -> PathBuf {
    keys.join(format!("segment-{index}"))
}

/// The folders of all segments' keys, in order.
pub(crate) fn key_folders(keys: &Path) -> Result<Vec<PathBuf>, Failure> {
    let folders: Vec<PathBuf> =
        (0..).map(|index| key_folder(keys, index)).take_while(|folder| folder.is_dir()).collect();
    if folders.is_empty() {
        let message = format!("{} holds no keys of segments; run setup on the folder that split wrote", keys.display());
        return Err(Failure::Unusable(message));
    }
    Ok(folders)
}

/// The models of all segments, in order.
pub(crate) fn segment_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let files: Vec<PathBuf> = (0..).map(|index| segment_file(folder, index)).take_while(|file| file.exists()).collect();
    if files.is_empty() {
        return Err(Failure::Unusable(format!("{} holds no segment-0.ifq; split writes it", folder.display())));
    }
    Ok(files)
}
