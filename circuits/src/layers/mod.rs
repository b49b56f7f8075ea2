//! Lays a network out in the machine, one file a family of layers.
//!
//! [`compile`] sees the architecture only. Order of rows: instance words, input, then for each layer
//! its products and its activations, at last the packed output.

mod affine;
mod forms;
mod io;
mod pool;
mod position;
mod search;

use crate::error::CompileError;
use crate::integer::{Activation, Function, Interval};
use crate::interface::{End, Interface, Visibility};
use crate::machine::{LANES, LINK_ROW, RESERVED_ROWS, Shape};
use crate::network::{Architecture, MAX_AXES, NodeId, Op, Term, sources, storage};
use crate::packing::Packing;
use crate::program::{
    Blocks, Builder, Cell, ChainItem, ChainValues, Layout, Limbed, MAX_BATCH, ProductGeometry, Program, TableKind,
    public_words,
};
use forms::{Forms, Gates, fused_pools};
use io::Shown;
pub(crate) use position::plane;
use position::{planes, window_work};
use std::collections::{BTreeMap, BTreeSet};

/// Greatest `k` the compiler accepts.
pub const MAX_K: u32 = 24;

/// Most elements that are moved, and most weights of operands that may be all zeros, a row that is allowed, and in all.
const MAX_MOVED: [usize; 2] = [1 << 10, 1 << 26];

/// Most elements of all forms of tensors, a row that is allowed; those of larger programs are as those of `2^16` rows.
const MAX_LOOKED: usize = 1 << 11;

/// Most offsets and kernel cells that are looked at for the terms with windows, a row that is allowed, and in all.
const MAX_WINDOWS: [usize; 2] = [64, 1 << 27];

/// Bits a limb may have.
pub const LIMB_BITS: std::ops::RangeInclusive<u32> = 2..=16;

/// Compiles `architecture` in `layout`, for verifiers who see of input and output what `interface` says.
///
/// Deterministic: the same arguments give the same program on every machine.
///
/// # Errors
/// An inconsistent architecture, a layout not covered, or more than `2^24` rows.
pub fn compile(architecture: &Architecture, interface: Interface, layout: Layout) -> Result<Program, CompileError> {
    compile_within(architecture, interface, layout, MAX_K)
}

/// As [`compile`], for a program that is said to have at most `2^most` rows: what needs more is refused as soon as that shows, so that a file that claims a
/// small program cannot ask for the work of a large one.
///
/// # Errors
/// As [`compile`], with `2^most` for `2^24`.
pub fn compile_within(
    architecture: &Architecture,
    interface: Interface,
    layout: Layout,
    most: u32,
) -> Result<Program, CompileError> {
    let most = most.min(MAX_K);
    architecture.validate()?;
    for node in [&architecture.nodes[0], &architecture.nodes[architecture.output]] {
        if layout.batch > 1 && node.shape.len() == MAX_AXES {
            let what = format!("several inputs in one proof, of a tensor that has {MAX_AXES} axes already");
            return Err(unsupported(&node.name, what));
        }
    }
    if !LANES.contains(&layout.lanes) {
        return Err(unsupported("-", format!("{} weight lanes; allowed are 1 to 256", layout.lanes)));
    }
    if let Some(bits) = layout.limb.filter(|bits| !LIMB_BITS.contains(bits)) {
        return Err(unsupported("-", format!("limbs of {bits} bits; allowed are 2 to 16")));
    }
    if layout.limb.is_none() && layout.limbed != Limbed::All {
        return Err(unsupported("-", "limbs in flat layers, of no bits; say how many, or leave both out".into()));
    }
    if !(1..=MAX_BATCH).contains(&layout.batch) {
        return Err(unsupported("-", format!("{} inputs in one proof; allowed are 1 to {MAX_BATCH}", layout.batch)));
    }
    if interface.input == Visibility::Given {
        return Err(unsupported("-", "an input that is `given`; a committed input is committed beforehand".into()));
    }
    let gates = within_limit(architecture, interface, layout, most)?;
    let [input, output] = layout.packings(architecture);
    let forms = Forms::plan(architecture, layout, gates)?;
    let looked = forms.elements(architecture);
    if looked > (MAX_LOOKED << most).min(MAX_LOOKED << 16) {
        return Err(unsupported("-", format!("forms of {looked} elements, which is more work than the rows are")));
    }
    let domains = Domains::new(architecture, &forms, layout, most)?;
    let words = public_words(interface.input, &input) + public_words(interface.output, &output);
    // The rows around the link row are of no chain.
    let rows = if interface.is_linked() { LINK_ROW + 2 } else { 1 };
    let (builder, instance) = Builder::new(layout.shape, words, rows);
    let mut compiler = Compiler {
        architecture,
        interface,
        packings: [input, output],
        layout,
        most,
        builder,
        forms,
        domains,
        tensors: vec![vec![]; architecture.nodes.len()],
        bias_shifts: BTreeMap::new(),
        geometry: BTreeMap::new(),
    };
    let mut shown = Shown::default();
    compiler.input(&mut shown)?;
    for id in 1..architecture.nodes.len() {
        compiler.node(id)?;
    }
    compiler.output(&mut shown);
    compiler.conclude(instance, &shown);
    compiler.finish()
}

fn unsupported(node: &str, what: String) -> CompileError {
    CompileError::Unsupported { node: node.into(), what }
}

/// Refuses, before anything is laid out, a network that surely exceeds `2^most` rows, or that is more work than any of so many rows.
fn within_limit(
    architecture: &Architecture,
    interface: Interface,
    layout: Layout,
    most: u32,
) -> Result<Gates, CompileError> {
    let refuse = |rows| Err(CompileError::TooLarge { rows, table: 0, limit: most });
    let [a_row, in_all] = MAX_WINDOWS;
    if window_work(architecture, (a_row << most).min(in_all)).is_none() {
        let what =
            "windows with kernels so large, or so many, that finding what they meet is more work than the rows are";
        return Err(unsupported("-", what.into()));
    }
    let (rows, moved) = least_rows(architecture, interface, layout);
    if rows > 1 << most {
        return refuse(rows);
    }
    let [a_row, in_all] = MAX_MOVED;
    if moved > (a_row << most).min(in_all) {
        return Err(unsupported("-", format!("{moved} elements that are moved, which is more work than the rows are")));
    }
    let gates = Gates::new(architecture, layout);
    let rows = rows.saturating_add(product_rows(architecture, layout, &gates));
    if rows > 1 << most { refuse(rows) } else { Ok(gates) }
}

/// Rows of the products of two tensors, at least.
fn product_rows(architecture: &Architecture, layout: Layout, gates: &Gates) -> usize {
    let of = |id: NodeId, term: &Term| {
        let Term::Product { left, right, .. } = term else { return 0 };
        let node = &architecture.nodes[id];
        let gated = gates.pair([*left, *right], node.dims().unwrap_or([1; 3])).is_some();
        let products = if gated { node.shape[0] } else { node.len().saturating_mul(layout.batch) };
        products.saturating_mul(4)
    };
    let layers = architecture.nodes.iter().enumerate().filter_map(|(id, node)| match &node.op {
        Op::Affine { terms, .. } => Some((id, terms)),
        _ => None,
    });
    layers.flat_map(|(id, terms)| terms.iter().map(move |term| of(id, term))).fold(0, usize::saturating_add)
}

/// Rows that the program has at least, but for products of two tensors; and elements that are moved, with weights whose operand may be all zeros, as they may
/// have no rows.
fn least_rows(architecture: &Architecture, interface: Interface, layout: Layout) -> (usize, usize) {
    let batch = layout.batch;
    let paired = layout.shape == Shape::Paired;
    // Two elements share a row at best.
    let shared = |elements: usize| if paired { elements.div_ceil(2) } else { elements };
    let fused = fused_pools(architecture, layout);
    let (mut moved, mut rows) = (0usize, 0usize);
    if interface.output != Visibility::Private {
        rows = batch.saturating_mul(architecture.nodes[architecture.output].len());
    }
    for (id, node) in architecture.nodes.iter().enumerate() {
        let Op::Affine { terms, .. } = &node.op else {
            // What moves elements has cells, 16 bytes each, and no rows.
            let elements = batch.saturating_mul(node.len());
            if node.op.moves() {
                moved = moved.saturating_add(elements);
            } else {
                rows = rows.saturating_add(shared(elements));
            }
            continue;
        };
        let channels = node.shape[0];
        let plane_len = node.len() / channels;
        // Outputs that no window of a fused maximum covers are rims.
        let covered = fused.get(&id).map_or(plane_len, |pool| covered(architecture, *pool));
        let limb = layout.limb_of(architecture, id);
        let limbs = limb.map_or(0, |bits| 1 + architecture.shift.div_ceil(bits) as usize);
        let outputs = channels.saturating_mul(covered).saturating_mul(batch);
        rows = rows.saturating_add(shared(outputs.saturating_mul(1 + limbs)));
        // Coefficients that are no outputs are laid out one by one, those of several terms together.
        let mut rims = plane_len - covered;
        for term in terms {
            let columns = match term {
                Term::Conv { input, groups, .. } => {
                    architecture.nodes[*input].shape[0] / groups * plane(architecture, id, term).taps()
                }
                _ => architecture.term_weights(id, term) / channels,
            };
            let groups = groups(architecture, id);
            let blocks = groups.saturating_mul((channels / groups).div_ceil(layout.lanes));
            // Elements one by one have rows whatever they are.
            let is_moved = |input: NodeId| architecture.nodes[storage(architecture, input)].op.moves();
            let may_be_zero = match term {
                Term::Dense { input } => batch > 1 && is_moved(*input),
                Term::Conv { input, .. } => is_moved(*input),
                _ => false,
            };
            let counted = if may_be_zero { &mut moved } else { &mut rows };
            *counted = counted.saturating_add(columns.saturating_mul(blocks));
        }
        for plane in planes(architecture, id) {
            rims = rims.max(plane.least_support().saturating_sub(covered));
        }
        let rims = if paired { rims } else { rims.saturating_mul(channels) };
        rows = rows.saturating_add(rims.saturating_mul(batch));
    }
    (rows, moved)
}

/// Positions of a channel that the windows of a max-pool cover.
fn covered(architecture: &Architecture, pool: NodeId) -> usize {
    let Op::MaxPool { input, kernel } = architecture.nodes[pool].op else { unreachable!("a max-pool") };
    let [_, h, w] = architecture.nodes[input].dims().expect("validated");
    (h / kernel[0] * kernel[0]) * (w / kernel[1] * kernel[1])
}

/// Groups of channels of an affine layer.
fn groups(architecture: &Architecture, id: NodeId) -> usize {
    match &architecture.nodes[id].op {
        Op::Affine { terms, .. } => match terms[..] {
            [Term::Conv { groups, .. }] => groups,
            _ => 1,
        },
        _ => 1,
    }
}

/// What the tables of a program must hold. Layers share a table: the union of their intervals costs
/// less than each by itself.
struct Domains {
    /// Quotients in the table of each activation, of layers without limbs.
    arguments: BTreeMap<Activation, Interval>,
    /// Blocks in the table of each activation, of layers in limbs.
    blocks: BTreeMap<Activation, Blocks>,
    /// Blocks that are reached outside or inside the table, by number of blocks in the table.
    reached: BTreeMap<u64, Interval>,
    /// Greatest difference of any max-pool.
    difference: u64,
}

impl Domains {
    fn new(architecture: &Architecture, forms: &Forms, layout: Layout, most: u32) -> Result<Self, CompileError> {
        let (mut arguments, mut in_limbs) = (BTreeMap::new(), BTreeMap::new());
        let mut difference = 0;
        let nodes = &architecture.nodes;
        for (id, node) in nodes.iter().enumerate() {
            if let Op::Affine { activation, quotient, .. } = node.op {
                let limbed = layout.limb_of(architecture, id).is_some();
                union(if limbed { &mut in_limbs } else { &mut arguments }, activation, quotient);
            }
            if let Op::MaxPool { input, .. } = node.op {
                let range = match nodes[input].op {
                    Op::Affine { quotient, .. } if forms.fused_into(input).is_some() => quotient,
                    _ => nodes[input].range,
                };
                difference = difference.max(range.len() - 1);
            }
        }
        let mut domains = Self { arguments, blocks: BTreeMap::new(), reached: BTreeMap::new(), difference };
        for (activation, interval) in &in_limbs {
            let blocks = Blocks::of(activation, layout.limb.expect("layers are in limbs"));
            union(&mut domains.reached, blocks.count, blocks.reached(*interval));
            domains.blocks.insert(*activation, blocks);
        }
        for blocks in domains.blocks.values_mut() {
            blocks.least = domains.reached[&blocks.count].lo;
            // Else biases with their layer's constant might not fit.
            if blocks.origin().unsigned_abs() > 1 << (61 - architecture.shift) {
                let what = "layers in limbs whose quotients lie further apart than 62 bits hold".into();
                return Err(unsupported("-", what));
            }
        }
        domains.within_limit(architecture, layout, most)
    }

    /// Refuses, before any table is built, tables that fit no program: intervals may lie far apart.
    fn within_limit(self, architecture: &Architecture, layout: Layout, most: u32) -> Result<Self, CompileError> {
        // Copies and maxima of values take an identity table for each range, at most.
        let values: BTreeSet<Interval> = architecture.nodes.iter().map(|node| node.range).collect();
        let direct = if self.arguments.is_empty() { 0 } else { 1 << architecture.shift };
        // A remainder's limbs, and a quotient's place in its block.
        let limbs = layout.limb.filter(|_| !self.blocks.is_empty()).map_or(0, |limb| 1 << limb);
        let remainders = direct.max(limbs);
        let inside: Vec<Interval> = self.blocks.values().map(Blocks::arguments).collect();
        let intervals = self.arguments.values().chain(&inside).chain(self.reached.values());
        let surely = intervals.fold(self.difference + remainders, |sum, i| sum.saturating_add(i.len()));
        let perhaps = values.iter().fold(surely, |sum, i| sum.saturating_add(i.len()));
        if surely >= 1 << most || perhaps >= 1 << MAX_K {
            let table = usize::try_from(perhaps).unwrap_or(usize::MAX);
            return Err(CompileError::TooLarge { rows: 0, table, limit: most });
        }
        Ok(self)
    }
}

fn union<K: Ord>(intervals: &mut BTreeMap<K, Interval>, key: K, interval: Interval) {
    let union = intervals.entry(key).or_insert(interval);
    *union = Interval::new(union.lo.min(interval.lo), union.hi.max(interval.hi));
}

struct Compiler<'a> {
    architecture: &'a Architecture,
    interface: Interface,
    packings: [Packing; 2],
    layout: Layout,
    /// Greatest logarithm of the rows.
    most: u32,
    builder: Builder,
    forms: Forms,
    domains: Domains,
    /// The `y` cell of every element, by node; empty where no row holds them, `None` where it is the earlier of two on a row.
    tensors: Vec<Vec<Option<Cell>>>,
    bias_shifts: BTreeMap<NodeId, i64>,
    geometry: BTreeMap<NodeId, ProductGeometry>,
}

impl Compiler<'_> {
    const fn packing(&self, end: End) -> &Packing {
        let [input, output] = &self.packings;
        match end {
            End::Input => input,
            End::Output => output,
        }
    }

    /// Instance words of the tensor at one end.
    const fn words(&self, end: End) -> usize {
        public_words(self.interface.of(end), self.packing(end))
    }

    /// Exponent of `R` of a layer's output channel. Lanes that a group of channels leaves unused have exponents of
    /// their own, so that no weight in them meets an output.
    fn exponent(&self, id: NodeId, channel: usize) -> usize {
        let groups = groups(self.architecture, id);
        if groups == 1 {
            return channel;
        }
        let members = self.architecture.nodes[id].shape[0] / groups;
        channel / members * self.group_span(members) + channel % members
    }

    /// Exponents of `R` that a group of `members` output channels takes up.
    const fn group_span(&self, members: usize) -> usize {
        members.div_ceil(self.layout.lanes) * self.layout.lanes
    }

    /// Output channels of a group of a layer, and how far apart the exponents of two groups' first channels are.
    fn group(&self, id: NodeId) -> [usize; 2] {
        let members = self.architecture.nodes[id].shape[0] / groups(self.architecture, id);
        [members, self.group_span(members)]
    }

    fn node(&mut self, id: NodeId) -> Result<(), CompileError> {
        match &self.architecture.nodes[id].op {
            Op::Input => {}
            Op::Affine { .. } if self.forms.fused_into(id).is_some() => {}
            Op::Affine { .. } => self.affine(id)?,
            Op::MaxPool { input, .. } => match self.forms.fused_into(*input) {
                Some(_) => self.fused_max_pool(*input, id)?,
                None => self.max_pool(id)?,
            },
            Op::BeforeMax { input, maximum } => self.before_max(id, *input, *maximum),
            Op::Reshape { .. } | Op::Transpose { .. } | Op::Take { .. } | Op::Concat { .. } => self.moved(id),
        }
        self.copied_forms(id)?;
        self.rows_in_limit()
    }

    /// Refuses a program that is too large as soon as it is.
    fn rows_in_limit(&self) -> Result<(), CompileError> {
        self.room_for(0)
    }

    /// Refuses a program that will be too large with so many rows more.
    fn room_for(&self, more: usize) -> Result<(), CompileError> {
        let (rows, table) = (self.builder.rows.len() + more, self.builder.table.rows().len());
        let limit = self.most;
        if rows > 1 << limit { Err(CompileError::TooLarge { rows, table, limit }) } else { Ok(()) }
    }

    /// The cells of a tensor that moves elements are those of its operands; it has no rows of its own.
    fn moved(&mut self, id: NodeId) {
        let fill = if let Op::Take { fill, .. } = self.architecture.nodes[id].op { fill } else { 0 };
        let from = sources(self.architecture, id).expect("it moves elements");
        let fill = if from.contains(&None) { self.builder.constant(fill) } else { Builder::zero() };
        let cell = |input: usize, from: &Option<(NodeId, usize)>| {
            from.map_or(Some(fill), |(node, index)| {
                self.tensors[node][input * self.architecture.nodes[node].len() + index]
            })
        };
        let inputs = 0..self.layout.batch;
        self.tensors[id] = inputs.flat_map(|input| from.iter().map(move |from| cell(input, from))).collect();
    }

    /// The tag of a table that holds every integer of `range`, less its least one, with itself.
    fn identity_tag(&mut self, range: Interval) -> u64 {
        let activation = Activation { function: Function::Identity, range };
        self.builder.table.tag(TableKind::Function { activation, domain: range })
    }

    /// The tag of `activation`'s table, and the least argument in it.
    fn activation_tag(&mut self, activation: Activation) -> (u64, i64) {
        let domain = self.domains.arguments[&activation];
        (self.builder.table.tag(TableKind::Function { activation, domain }), domain.lo)
    }

    /// A table whose outputs are exactly `range`, and the argument at `q = 0`: an argument in the range is its own output.
    /// The table of an activation serves if there is one, so that no entries are needed for it.
    fn value_tag(&mut self, range: Interval) -> (u64, i64) {
        let direct = self.domains.arguments.iter().map(|(activation, domain)| (*activation, *domain));
        let in_limbs = self.domains.blocks.iter().map(|(activation, blocks)| (*activation, blocks.arguments()));
        let serves = |(activation, domain): &(Activation, Interval)| {
            activation.range == range && activation.fixes_its_range() && domain.covers(&range)
        };
        match direct.chain(in_limbs).find(serves) {
            Some((activation, domain)) => {
                (self.builder.table.tag(TableKind::Function { activation, domain }), domain.lo)
            }
            None => (self.identity_tag(range), range.lo),
        }
    }

    /// The tag of the table of differences that need not be 0, with whether they are known to be more.
    fn before_tag(&mut self) -> u64 {
        self.builder.table.tag(TableKind::Before { max: self.domains.difference })
    }

    /// The tag of the table of differences.
    fn difference_tag(&mut self) -> u64 {
        self.builder.table.tag(TableKind::Difference { max: self.domains.difference })
    }

    /// The `y` cell of an element of a tensor whose elements are read one by one.
    fn cell(&self, node: NodeId, index: usize) -> Cell {
        self.tensors[node][index].expect("what is read by itself has a cell that copies may read")
    }

    /// Emits the rows of a tensor and records its cells and forms.
    ///
    /// `items` are in emission order, each with the element it holds, if any.
    fn emit_tensor(&mut self, id: NodeId, items: &[(Option<usize>, ChainItem)]) -> ChainValues {
        let chain: Vec<ChainItem> = items.iter().map(|(_, item)| *item).collect();
        let values = self.builder.chain(&chain);
        let mut cells = vec![None; self.layout.batch * self.architecture.nodes[id].len()];
        for ((element, _), row) in items.iter().zip(&values.rows) {
            if let Some(element) = element {
                cells[*element] = row.map(Cell::Y);
            }
        }
        self.tensors[id] = cells;
        self.forms.record_native(id, &values.x);
        values
    }

    fn finish(self) -> Result<Program, CompileError> {
        let [input, output] = self.packings;
        let Builder { rows, equalities, table, .. } = self.builder;
        let needed = rows.len().max(table.rows().len()) + RESERVED_ROWS;
        let k = needed.next_power_of_two().trailing_zeros().max(4);
        if k > self.most {
            return Err(CompileError::TooLarge { rows: rows.len(), table: table.rows().len(), limit: self.most });
        }
        let program = Program {
            layout: self.layout,
            k,
            rows,
            equalities,
            table,
            interface: self.interface,
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

#[cfg(test)]
mod tests;
