//! Lays a network out in the machine, one file a family of layers.
//!
//! [`compile`] sees the architecture only. Order of rows: instance words, input, then for each layer
//! its products and its activations, at last the encoded output.

mod affine;
mod forms;
mod io;
mod pool;
mod position;

use crate::error::CompileError;
use crate::integer::{Activation, Function, Interval};
use crate::machine::RESERVED_ROWS;
use crate::network::{Architecture, NodeId, Op, transpose_order};
use crate::packing::Packing;
use crate::program::{Builder, Cell, ChainItem, ProductGeometry, Program, TableKind, Val};
use forms::Forms;
pub(crate) use position::plane;
use std::collections::BTreeMap;

/// Greatest `k` the compiler accepts.
pub const MAX_K: u32 = 24;

/// Compiles `architecture` for `lanes` weight lanes.
///
/// Deterministic: the same architecture and lanes give the same program on every machine.
///
/// # Errors
/// An inconsistent architecture, a layout not covered, or more than `2^24` rows.
pub fn compile(architecture: &Architecture, lanes: usize) -> Result<Program, CompileError> {
    architecture.validate()?;
    within_limit(architecture, lanes.max(1))?;
    let domains = domains(architecture)?;
    if !(1..=1024).contains(&lanes) {
        return Err(unsupported("-", format!("{lanes} weight lanes; allowed are 1 to 1024")));
    }
    let (input, output) = (&architecture.nodes[0], &architecture.nodes[architecture.output]);
    let input = Packing::new(input.len(), input.range);
    let output = Packing::new(output.len(), output.range);
    let forms = Forms::plan(architecture)?;
    let (builder, instance) = Builder::new(input.words() + output.words());
    let mut compiler = Compiler {
        architecture,
        lanes,
        builder,
        forms,
        domains,
        tensors: vec![vec![]; architecture.nodes.len()],
        bias_shifts: BTreeMap::new(),
        geometry: BTreeMap::new(),
    };
    let packed_input = compiler.input(input);
    for id in 1..architecture.nodes.len() {
        compiler.node(id)?;
    }
    compiler.output(instance, packed_input, input, output);
    compiler.finish(input, output)
}

fn unsupported(node: &str, what: String) -> CompileError {
    CompileError::Unsupported { node: node.into(), what }
}

/// Refuses, before anything is laid out, a network that surely exceeds the greatest `k`.
fn within_limit(architecture: &Architecture, lanes: usize) -> Result<(), CompileError> {
    let mut rows = 0usize;
    for (id, node) in architecture.nodes.iter().enumerate() {
        rows = rows.saturating_add(node.len());
        if let Op::Affine { terms, .. } = &node.op {
            let channels = node.shape[0];
            for term in terms {
                let columns = architecture.term_weights(id, term) / channels;
                rows = rows.saturating_add(columns.saturating_mul(channels.div_ceil(lanes)));
            }
        }
    }
    if rows > 1 << MAX_K { Err(CompileError::TooLarge { rows, table: 0, limit: MAX_K }) } else { Ok(()) }
}

/// What the tables of a program must hold. Layers share a table: the union of their intervals costs
/// less than each by itself.
struct Domains {
    /// Union of the published quotient intervals of each activation.
    quotients: BTreeMap<Activation, Interval>,
    /// Greatest difference of any max-pool.
    difference: u64,
}

fn domains(architecture: &Architecture) -> Result<Domains, CompileError> {
    let mut domains = Domains { quotients: BTreeMap::new(), difference: 0 };
    let nodes = &architecture.nodes;
    for node in nodes {
        if let Op::Affine { activation, quotient, .. } = node.op {
            let union = domains.quotients.entry(activation).or_insert(quotient);
            *union = Interval::new(union.lo.min(quotient.lo), union.hi.max(quotient.hi));
        }
        if let Op::MaxPool { input, .. } = node.op {
            let range = match nodes[input].op {
                Op::Affine { quotient, .. } => quotient,
                _ => nodes[input].range,
            };
            domains.difference = domains.difference.max(range.len().max(nodes[input].range.len()) - 1);
        }
    }
    // Before any table is built: intervals of one activation may lie far apart.
    let entries = domains.quotients.values().fold(domains.difference, |sum, i| sum.saturating_add(i.len()));
    if entries >= 1 << MAX_K {
        let table = usize::try_from(entries).unwrap_or(usize::MAX);
        return Err(CompileError::TooLarge { rows: 0, table, limit: MAX_K });
    }
    Ok(domains)
}

struct Compiler<'a> {
    architecture: &'a Architecture,
    lanes: usize,
    builder: Builder,
    forms: Forms,
    domains: Domains,
    /// The `y` cell of every element, by node; empty where no row holds them.
    tensors: Vec<Vec<Cell>>,
    bias_shifts: BTreeMap<NodeId, i64>,
    geometry: BTreeMap<NodeId, ProductGeometry>,
}

impl Compiler<'_> {
    fn node(&mut self, id: NodeId) -> Result<(), CompileError> {
        match &self.architecture.nodes[id].op {
            Op::Input => {}
            Op::Affine { .. } if self.forms.fused_into(id).is_some() => {}
            Op::Affine { .. } => self.affine(id),
            Op::MaxPool { input, .. } => match self.forms.fused_into(*input) {
                Some(_) => self.fused_max_pool(*input, id),
                None => self.max_pool(id),
            },
            Op::Reshape { input } => self.tensors[id] = self.tensors[*input].clone(),
            Op::Transpose { input, permutation } => {
                let order = transpose_order(&self.architecture.nodes[*input].shape, permutation);
                self.tensors[id] = order.iter().map(|&i| self.tensors[*input][i]).collect();
            }
        }
        self.copied_forms(id);
        Ok(())
    }

    /// The tag of a table that holds every integer of `range`, less its least one, with itself.
    fn identity_tag(&mut self, range: Interval) -> u64 {
        let activation = Activation { function: Function::Identity, range };
        self.builder.table.tag(TableKind::Function { activation, domain: range })
    }

    /// The tag of `activation`'s table, and the least quotient in it.
    fn activation_tag(&mut self, activation: Activation) -> (u64, i64) {
        let domain = self.domains.quotients[&activation];
        (self.builder.table.tag(TableKind::Function { activation, domain }), domain.lo)
    }

    /// The tag of the table of differences.
    fn difference_tag(&mut self) -> u64 {
        self.builder.table.tag(TableKind::Difference { max: self.domains.difference })
    }

    /// Emits the rows of a tensor and records its cells and forms.
    ///
    /// `items` are in emission order, each with the element it holds, if any.
    fn emit_tensor(&mut self, id: NodeId, items: &[(Option<usize>, ChainItem)]) -> Option<Val> {
        let chain: Vec<ChainItem> = items.iter().map(|(_, item)| *item).collect();
        let values = self.builder.chain(&chain);
        let mut cells = vec![Builder::zero(); self.architecture.nodes[id].len()];
        for ((element, _), row) in items.iter().zip(&values.rows) {
            if let Some(element) = element {
                cells[*element] = Cell::Y(*row);
            }
        }
        self.tensors[id] = cells;
        self.forms.record_native(id, &values.x);
        values.y
    }

    fn finish(self, input: Packing, output: Packing) -> Result<Program, CompileError> {
        let Builder { rows, equalities, table, .. } = self.builder;
        let needed = rows.len().max(table.rows().len()) + RESERVED_ROWS;
        let k = needed.next_power_of_two().trailing_zeros().max(4);
        if k > MAX_K {
            return Err(CompileError::TooLarge { rows: rows.len(), table: table.rows().len(), limit: MAX_K });
        }
        let program = Program {
            lanes: self.lanes,
            k,
            rows,
            equalities,
            table,
            input,
            output,
            bias_shifts: self.bias_shifts,
            geometry: self.geometry,
            shift: self.architecture.shift,
        };
        program.check();
        Ok(program)
    }
}
