//! What a network will cost, before any key is made: for `inspect`.

use crate::failure::Failure;
use crate::machine;
use inferproof::commitment::WeightVisibility;
use inferproof::draw;
use inferproof_circuits::interface::Interface;
use inferproof_circuits::layers::compile;
use inferproof_circuits::machine::Shape;
use inferproof_circuits::network::Architecture;
use inferproof_circuits::plan::{Cost, Optimise, candidates, ranked};
use inferproof_circuits::program::{Layout, Program, RowUse};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

/// Nodes that are listed by what they take.
const LISTED: usize = 12;
/// Plans that are listed for each aim, beside the first without limbs and the first of each shape.
const PLANS: usize = 4;

/// The plans of an architecture, what their rows go to, and a drawing of the first if a path is given for it.
pub(crate) fn preflight(
    architecture: &Architecture,
    interface: Interface,
    batch: usize,
    layout: Option<&Path>,
) -> Result<(Value, String), Failure> {
    let (machine, measured) = machine::costs()?;
    let (mut text, mut json) = (String::new(), Map::new());
    let candidates = candidates(architecture, interface, batch, None)?;
    let gas = charged(architecture, interface, WeightVisibility::Secret, candidates.clone())?;
    let gas: HashMap<Layout, u64> = gas.into_iter().map(|cost| (cost.layout, cost.gas)).collect();
    for (name, optimise) in [("prover", Optimise::Prover), ("memory", Optimise::Memory), ("gas", Optimise::Gas)] {
        // In the order of the planner's estimates, as `setup` chooses by them.
        let costs = ranked(&candidates, optimise).into_iter();
        let costs: Vec<Cost> = costs.map(|cost| Cost { gas: gas[&cost.layout], ..cost.on(&machine) }).collect();
        if optimise == Optimise::Prover {
            let program = compile(architecture, interface, costs[0].layout)?;
            let (usage, table) = rows(&program, architecture);
            let _ = write!(text, "\nrows of the plan for --optimise prover, by node\n{table}");
            json.insert("rows".into(), usage);
            if let Some(path) = layout {
                let svg = draw::layout(&program, architecture);
                inferproof::artefact::replace_file(path, &[svg.as_bytes()], false)?;
            }
        }
        let _ = write!(text, "\nplans for --optimise {name}, the first is taken\n{}", cost_table(&costs));
        json.insert(name.into(), plans(&costs));
    }
    let source = if measured { "as measured on this machine" } else { "of a 2-core machine; see calibrate-machine" };
    let _ = writeln!(text, "\nprover CPU-seconds {source}; gas {GAS_SOURCE}; secret weights");
    json.insert("machine".into(), json!({ "costs": machine, "measured": measured }));
    Ok((Value::Object(json), text))
}

#[cfg(feature = "evm")]
pub(crate) const GAS_SOURCE: &str = "of a transaction on a chain in memory, no public byte 0";
#[cfg(not(feature = "evm"))]
pub(crate) const GAS_SOURCE: &str = "estimated, no public byte 0";

/// The costs with the gas that a chain in memory charges, where a transaction can hold it, instead of the planner's estimate.
#[cfg(feature = "evm")]
pub(crate) fn charged(
    architecture: &Architecture,
    interface: Interface,
    visibility: WeightVisibility,
    mut costs: Vec<Cost>,
) -> Result<Vec<Cost>, Failure> {
    use inferproof::evm;
    let mut rehearsal = evm::Rehearsal::new(evm::chain::Fork::default())?;
    for cost in &mut costs {
        if let Ok(gas) = rehearsal.gas_of_plan(architecture, interface, cost, visibility) {
            cost.gas = gas;
        }
    }
    Ok(costs)
}

/// Without a chain the planner's estimate stands.
#[cfg(not(feature = "evm"))]
pub(crate) fn charged(
    _: &Architecture,
    _: Interface,
    _: WeightVisibility,
    costs: Vec<Cost>,
) -> Result<Vec<Cost>, Failure> {
    Ok(costs)
}

/// One line a node, by rows, and what each is for.
fn rows(program: &Program, architecture: &Architecture) -> (Value, String) {
    let usage = program.usage();
    let mut nodes: Vec<Option<usize>> = usage.keys().map(|(node, _)| *node).collect();
    nodes.dedup();
    let total = |node: &Option<usize>| RowUse::ALL.iter().filter_map(|what| usage.get(&(*node, *what))).sum::<usize>();
    nodes.sort_by_key(|node| (std::cmp::Reverse(total(node)), *node));
    let name = |node: &Option<usize>| node.map_or("-", |id| architecture.nodes[id].name.as_str());
    let parts = |node: &Option<usize>| {
        let parts = RowUse::ALL.iter().filter_map(|what| usage.get(&(*node, *what)).map(|rows| (what.name(), *rows)));
        parts.collect::<Vec<_>>()
    };
    let mut text = String::new();
    for node in nodes.iter().take(LISTED) {
        let parts: Vec<String> = parts(node).into_iter().map(|(what, rows)| format!("{rows} {what}")).collect();
        let share = 100.0 * total(node) as f64 / program.rows.len() as f64;
        let _ = writeln!(text, "  {:8} {share:5.1} %  {:<24} {}", total(node), name(node), parts.join(", "));
    }
    if nodes.len() > LISTED {
        let rest: usize = nodes[LISTED..].iter().map(total).sum();
        let _ = writeln!(text, "  {rest:8}          {} more", nodes.len() - LISTED);
    }
    let json = nodes.iter().map(|node| {
        let uses: Map<String, Value> = parts(node).into_iter().map(|(what, rows)| (what.into(), json!(rows))).collect();
        json!({ "node": node, "name": name(node), "rows": total(node), "uses": uses })
    });
    (json.collect(), text)
}

/// One line a node of an architecture.
pub(crate) fn nodes(architecture: &Architecture) -> String {
    let mut text = String::new();
    for (id, node) in architecture.nodes.iter().enumerate() {
        let (shape, range) = (format!("{:?}", node.shape), node.range);
        let _ = writeln!(text, "{id:4} {:<9} {shape:<16} [{}, {}]  {}", node.op.name(), range.lo, range.hi, node.name);
    }
    text
}

/// Plans as JSON: their costs, and the layout as `setup --layout` takes it.
pub(crate) fn plans(costs: &[Cost]) -> Value {
    let plan = |cost: &Cost| {
        let mut plan = json!(cost);
        plan["layout"] = json!(cost.layout.to_string());
        plan
    };
    costs.iter().map(plan).collect()
}

/// One line a plan.
pub(crate) fn cost_table(costs: &[Cost]) -> String {
    let mut text =
        "  layout               k    rows   table  full cells/weight  cells/activation  proof B  prover s  memory MB     gas\n"
            .to_string();
    let first = |wanted: &dyn Fn(&Layout) -> bool| costs.iter().position(|cost| wanted(&cost.layout));
    let mut others = vec![first(&|layout| layout.limb.is_none())];
    others.extend(Shape::ALL.map(|shape| first(&|layout| layout.shape == shape)));
    for (_, c) in costs.iter().enumerate().filter(|(index, _)| *index < PLANS || others.contains(&Some(*index))) {
        let _ = writeln!(
            text,
            "  {:<18}  {:2}  {:6}  {:6}  {:17.4}  {:16.2}  {:7}  {:8.2}  {:9}  {:6}",
            c.layout.to_string(),
            c.k,
            c.rows,
            c.table,
            c.full_cells_per_weight,
            c.cells_per_activation,
            c.proof_bytes,
            c.prover_seconds,
            c.prover_bytes >> 20,
            c.gas
        );
    }
    text
}
