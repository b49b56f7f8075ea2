//! Forms: the polynomials of a tensor that later layers multiply or compare.
//!
//! A tensor has one consumer chain over its rows, hence one *native* form; a further form needs a copy
//! of the tensor on rows of its own. Layers that compare forms share one row stride; they make a group.

mod strides;

use super::affine::{offsets, position_offset};
use super::position::{Batch, plane};
use super::{Compiler, unsupported};
use crate::error::CompileError;
use crate::network::{Architecture, NodeId, Op, Term, origins, storage};
use crate::program::{Builder, Cell, ChainItem, Lane, Layout, Mono, Val};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Which polynomial of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FormKey {
    /// The tensor, reshapes looked through.
    pub node: NodeId,
    /// Channels, height, width it is read as.
    pub dims: [usize; 3],
    /// Elements `[s i + al][s j + be]` form phase `(al, be)`.
    pub strides: [usize; 2],
    /// Elements of a window share a monomial; `[1, 1]` where each has its own.
    pub window: [usize; 2],
    /// Rows and columns from here on are left out.
    pub crop: [usize; 2],
}

impl FormKey {
    /// All elements, in phases of `strides`.
    pub(crate) fn phases(architecture: &Architecture, node: NodeId, dims: [usize; 3], strides: [usize; 2]) -> Self {
        Self { node: storage(architecture, node), dims, strides, window: [1, 1], crop: [dims[1], dims[2]] }
    }

    /// The elements that non-overlapping windows cover; each has its own monomial unless `shared`.
    pub(crate) fn windows(
        architecture: &Architecture,
        node: NodeId,
        dims: [usize; 3],
        kernel: [usize; 2],
        shared: bool,
    ) -> Self {
        let crop = [dims[1] / kernel[0] * kernel[0], dims[2] / kernel[1] * kernel[1]];
        let window = if shared { kernel } else { [1, 1] };
        Self { node: storage(architecture, node), dims, strides: [1, 1], window, crop }
    }

    /// The elements of `[rows, length]`, a channel a row.
    pub(crate) fn rows(architecture: &Architecture, node: NodeId, rows: usize, length: usize) -> Self {
        Self::phases(architecture, node, [rows, length, 1], [1, 1])
    }

    /// Each element by itself.
    pub(crate) fn elements(architecture: &Architecture, node: NodeId) -> Self {
        Self::phases(architecture, node, [architecture.nodes[node].len(), 1, 1], [1, 1])
    }

    /// Least row stride that keeps the monomials of one row below those of the next.
    fn least_row_stride(&self) -> i64 {
        self.crop[1].div_ceil(self.strides[1] * self.window[1]) as i64
    }

    /// Chain number and monomial of element `index`, `None` if it is left out.
    ///
    /// One chain a channel and phase if `per_channel`, else one for all.
    fn place(&self, index: usize, q: i64, batch: Batch, per_channel: bool) -> Option<(usize, Mono)> {
        let [channels, h, w] = self.dims;
        let (input, c) = (index / (h * w) / channels, index / (h * w) % channels);
        let (i, j) = (index / w % h, index % w);
        if !self.covers(index) {
            return None;
        }
        let [sh, sw] = self.strides;
        let [kh, kw] = self.window;
        let offset = (i / sh / kh) as i64 * q + (j / sw / kw) as i64 + batch.shift(input);
        if per_channel {
            Some((self.chain_number(c, i % sh, j % sw), Mono::element(0, offset)))
        } else {
            Some((0, Mono::element(c, offset)))
        }
    }

    const fn chain_number(&self, channel: usize, al: usize, be: usize) -> usize {
        (channel * self.strides[0] + al) * self.strides[1] + be
    }

    /// Elements in the order that makes every chain one run: by channel, phase, input, position, and those
    /// that are left out at last.
    fn order(&self, batch: Batch) -> Vec<usize> {
        let [c, h, w] = self.dims;
        let [sh, sw] = self.strides;
        let mut order = Vec::with_capacity(batch.count * c * h * w);
        for channel in 0..c {
            for (al, be) in (0..sh.min(h)).flat_map(|al| (0..sw.min(w)).map(move |be| (al, be))) {
                for (input, i) in (0..batch.count).flat_map(|input| (al..h).step_by(sh).map(move |i| (input, i))) {
                    order.extend((be..w).step_by(sw).map(|j| ((input * c + channel) * h + i) * w + j));
                }
            }
        }
        let (inside, outside): (Vec<_>, Vec<_>) = order.into_iter().partition(|index| self.covers(*index));
        [inside, outside].concat()
    }

    const fn covers(&self, index: usize) -> bool {
        let [_, h, w] = self.dims;
        index / w % h < self.crop[0] && index % w < self.crop[1]
    }
}

#[derive(Clone, Debug)]
struct Form {
    key: FormKey,
    group: usize,
    /// Some layer needs each channel by itself.
    per_channel: bool,
    native: bool,
    values: HashMap<usize, Val>,
    /// Sums over channels, by phase.
    totals: HashMap<[usize; 2], Val>,
}

/// Every form that some layer needs, and the row stride of every group.
#[derive(Clone, Debug)]
pub(crate) struct Forms {
    forms: Vec<Form>,
    /// Group of each layer that has positions.
    layers: HashMap<NodeId, usize>,
    parents: Vec<usize>,
    row_strides: Vec<i64>,
    fused: HashMap<NodeId, NodeId>,
    batch: Batch,
    /// Tensors whose elements are read one by one, beside their native form.
    read: HashSet<NodeId>,
    gates: Gates,
}

impl Forms {
    pub(super) fn plan(architecture: &Architecture, layout: Layout, gates: Gates) -> Result<Self, CompileError> {
        let mut forms = Self {
            forms: vec![],
            layers: HashMap::new(),
            parents: vec![],
            row_strides: vec![],
            fused: fused_pools(architecture, layout),
            batch: Batch { count: layout.batch, ..Batch::ONE },
            read: HashSet::new(),
            gates,
        };
        for (id, node) in architecture.nodes.iter().enumerate() {
            match &node.op {
                Op::Affine { terms, .. } => {
                    let Some(dims) = node.dims() else {
                        return Err(unsupported(
                            &node.name,
                            format!("shape {:?} has more than three axes", node.shape),
                        ));
                    };
                    let group = forms.layer(id, dims[2] as i64);
                    terms.iter().for_each(|term| forms.term(architecture, id, term, group));
                }
                Op::MaxPool { input, kernel } if !forms.fused.contains_key(input) => {
                    let dims = architecture.nodes[*input].dims().expect("validated");
                    let group = forms.layer(id, dims[2] as i64);
                    forms.request(FormKey::windows(architecture, *input, dims, *kernel, false), group, false);
                }
                Op::BeforeMax { input, maximum } => {
                    let group = forms.layer(id, 1);
                    let rows = node.shape[0];
                    for (tensor, length) in [(*input, node.shape[1]), (*maximum, 1)] {
                        forms.request(FormKey::rows(architecture, tensor, rows, length), group, false);
                    }
                }
                _ => {}
            }
        }
        forms.choose_native(architecture);
        forms.find_read(architecture);
        forms.choose_row_strides(architecture, layout);
        if layout.batch > 1 {
            forms.batch.stride = forms.input_stride(architecture);
        }
        Ok(forms)
    }

    fn layer(&mut self, id: NodeId, least: i64) -> usize {
        let group = self.parents.len();
        self.parents.push(group);
        self.row_strides.push(least.max(1));
        self.layers.insert(id, group);
        group
    }

    fn term(&mut self, architecture: &Architecture, id: NodeId, term: &Term, group: usize) {
        let dims = architecture.nodes[id].dims().expect("checked");
        let operand = || architecture.nodes[term.input()].dims().expect("validated");
        let (key, per_channel) = match term {
            Term::Dense { .. } if self.batch.count == 1 => return,
            Term::Dense { input } => (FormKey::elements(architecture, *input), true),
            Term::Product { left, right, .. } => match self.gates.pair([*left, *right], dims) {
                Some((tensor, _)) => (FormKey::phases(architecture, tensor, dims, [1, 1]), true),
                None => return,
            },
            Term::Scale { input, .. } => (FormKey::phases(architecture, *input, dims, [1, 1]), false),
            Term::SumPool { input, window, .. } if window.is_tiling() => {
                (FormKey::windows(architecture, *input, operand(), window.kernel, true), false)
            }
            Term::Conv { input, window, .. } | Term::SumPool { input, window, .. } => {
                let least = plane(architecture, id, term).least_row_stride();
                let root = self.root(group);
                self.row_strides[root] = self.row_strides[root].max(least);
                // Of a sum over windows only the sum over channels is needed, but phases of several channels are no
                // one run of elements.
                let per_channel = matches!(term, Term::Conv { .. }) || window.strides != [1, 1];
                (FormKey::phases(architecture, *input, operand(), window.strides), per_channel)
            }
        };
        self.request(key, group, per_channel);
    }

    fn request(&mut self, key: FormKey, group: usize, per_channel: bool) {
        let existing = self.forms.iter().position(|f| f.key == key);
        match existing {
            Some(index) => {
                self.forms[index].per_channel |= per_channel;
                let (a, b) = (self.root(self.forms[index].group), self.root(group));
                self.parents[b] = a;
                self.row_strides[a] = self.row_strides[a].max(self.row_strides[b]);
            }
            None => self.forms.push(Form {
                key,
                group,
                per_channel,
                native: false,
                values: HashMap::new(),
                totals: HashMap::new(),
            }),
        }
        let root = self.root(group);
        self.row_strides[root] = self.row_strides[root].max(key.least_row_stride());
    }

    /// The form that leaves out the fewest elements is native, the first of several: the others are copied, element by element. A tensor
    /// without rows of its own whose consumer chain is free has none.
    fn choose_native(&mut self, architecture: &Architecture) {
        let mut best: BTreeMap<NodeId, (usize, usize)> = BTreeMap::new();
        for (index, form) in self.forms.iter().enumerate() {
            let op = &architecture.nodes[form.key.node].op;
            let has_rows = matches!(op, Op::Input | Op::Affine { .. } | Op::MaxPool { .. });
            let elements = form.key.dims[0] * form.key.crop[0] * form.key.crop[1];
            if has_rows && best.get(&form.key.node).is_none_or(|(most, _)| elements > *most) {
                best.insert(form.key.node, (elements, index));
            }
        }
        best.into_values().for_each(|(_, index)| self.forms[index].native = true);
    }

    /// Tensors of which something reads single elements: copies, dense layers, products, the output, and what moves elements for those.
    fn find_read(&mut self, architecture: &Architecture) {
        self.read.insert(architecture.output);
        self.read.extend(self.forms.iter().filter(|form| !form.native).map(|form| form.key.node));
        for (id, node) in architecture.nodes.iter().enumerate().rev() {
            if let Op::Affine { terms, .. } = &node.op {
                let one_by_one = terms.iter().filter(|term| match term {
                    Term::Dense { .. } => self.batch.count == 1,
                    Term::Product { .. } => true,
                    Term::Conv { .. } | Term::Scale { .. } | Term::SumPool { .. } => false,
                });
                self.read.extend(one_by_one.flat_map(Term::inputs));
            }
            if node.op.moves() && self.read.contains(&id) {
                self.read.extend(node.op.inputs());
            }
        }
    }

    fn root(&self, mut group: usize) -> usize {
        while self.parents[group] != group {
            group = self.parents[group];
        }
        group
    }

    /// The inputs of a proof, and how far apart their exponents are.
    pub(crate) const fn batch(&self) -> Batch {
        self.batch
    }

    /// A distance at which the exponents of no layer's inputs meet: each lie in an interval of that length. One for all layers, so that chains step alike.
    fn input_stride(&self, architecture: &Architecture) -> i64 {
        let span = |id: NodeId| {
            let (node, q) = (&architecture.nodes[id], self.row_stride(id));
            match node.op {
                Op::Affine { .. } => {
                    let offsets = offsets(architecture, id, q);
                    offsets.end - offsets.start
                }
                Op::MaxPool { input, .. } => {
                    let [_, h, w] = architecture.nodes[input].dims().expect("validated");
                    position_offset(h * w - 1, w, q) + 1
                }
                // One place more than elements: differences of neighbours have it.
                _ => (node.shape[1] as i64 + 1) * q,
            }
        };
        self.layers.keys().map(|id| span(*id)).max().unwrap_or(1)
    }

    /// Elements that are looked at for all forms: those of its tensor for each.
    pub(super) fn elements(&self, architecture: &Architecture) -> usize {
        let of = |form: &Form| architecture.nodes[form.key.node].len().saturating_mul(self.batch.count);
        self.forms.iter().map(of).fold(0, usize::saturating_add)
    }

    /// Tensors of which products need one element a channel.
    pub(crate) const fn gates(&self) -> &Gates {
        &self.gates
    }

    /// Whether elements of tensor `id` are read one by one, beside its native form.
    pub(crate) fn is_read(&self, id: NodeId) -> bool {
        self.read.contains(&id)
    }

    /// Row stride of the exponents in layer `id`.
    pub(crate) fn row_stride(&self, id: NodeId) -> i64 {
        self.row_strides[self.root(self.layers[&id])]
    }

    /// The max-pool that takes over the requantisation of affine node `id`.
    pub(crate) fn fused_into(&self, id: NodeId) -> Option<NodeId> {
        self.fused.get(&id).copied()
    }

    /// The native form of tensor `id`: element order, and chain and monomial of each element.
    pub(crate) fn native(&self, id: NodeId) -> Option<NativeForm> {
        let form = self.forms.iter().find(|f| f.native && f.key.node == id)?;
        let q = self.row_strides[self.root(form.group)];
        Some(NativeForm { key: form.key, q, batch: self.batch, per_channel: form.per_channel })
    }

    pub(super) fn record_native(&mut self, id: NodeId, values: &HashMap<usize, Val>) {
        if let Some(form) = self.forms.iter_mut().find(|f| f.native && f.key.node == id) {
            form.values.clone_from(values);
        }
    }

    fn find(&self, key: &FormKey) -> usize {
        self.forms.iter().position(|f| f.key == *key).expect("every form was requested when planning")
    }
}

/// Order and places of a tensor's native form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NativeForm {
    key: FormKey,
    q: i64,
    batch: Batch,
    per_channel: bool,
}

impl NativeForm {
    /// Chain and monomial of an element.
    pub(crate) fn place(&self, index: usize) -> Option<(usize, Mono)> {
        self.key.place(index, self.q, self.batch, self.per_channel)
    }

    /// Element order on the rows.
    pub(crate) fn order(&self) -> Vec<usize> {
        self.key.order(self.batch)
    }

    /// The form of the channels that the first `elements` elements lie in.
    fn first(&self, elements: usize) -> Self {
        let [channels, h, w] = self.key.dims;
        let dims = [elements.div_ceil(h * w).min(channels), h, w];
        Self { key: FormKey { dims, ..self.key }, ..*self }
    }

    /// Whether the order is by channel, input and position of a layer of `dims`, so that rims can stand between elements. For one input that is row-major,
    /// as whatever the elements are read.
    pub(crate) fn is_in_order(&self, dims: [usize; 3]) -> bool {
        let row_major = self.key.strides == [1, 1] && self.key.crop == self.key.dims[1..];
        row_major && (self.batch.count == 1 || self.key.dims == dims)
    }
}

/// Tensors that have one element a channel, the same in all of it, where a product reads them so.
#[derive(Clone, Debug)]
pub(crate) struct Gates {
    /// Tensor and elements of a channel.
    gates: HashSet<(NodeId, usize)>,
}

impl Gates {
    /// Those of all products of `architecture`. Of several inputs there are none: what is the same in a channel of one is not in those of the others.
    pub(super) fn new(architecture: &Architecture, layout: Layout) -> Self {
        let mut read: BTreeSet<(NodeId, usize)> = BTreeSet::new();
        for node in architecture.nodes.iter().filter(|_| layout.batch == 1) {
            if let (Op::Affine { terms, .. }, Some([_, h, w])) = (&node.op, node.dims())
                && h * w > 1
            {
                let products = terms.iter().filter(|term| matches!(term, Term::Product { .. }));
                let operands = products.flat_map(Term::inputs);
                // Elements that nothing moves are all different.
                read.extend(operands.filter(|id| architecture.nodes[*id].op.moves()).map(|id| (id, h * w)));
            }
        }
        let origins = origins(architecture, &read.iter().map(|(id, _)| *id).collect());
        let is_gate = |(id, plane): &(NodeId, usize)| {
            origins[id].chunks(*plane).all(|channel| channel.iter().all(|element| *element == channel[0]))
        };
        Self { gates: read.into_iter().filter(is_gate).collect() }
    }

    /// Of a product's operands, as channels of `dims`, the one whose elements all count and the one that is a gate, if they are so.
    pub(super) fn pair(&self, [left, right]: [NodeId; 2], dims: [usize; 3]) -> Option<(NodeId, NodeId)> {
        let pairs = [(left, right), (right, left)];
        pairs.into_iter().find(|(_, gate)| self.gates.contains(&(*gate, dims[1] * dims[2])))
    }
}

/// Affine nodes whose requantisation a max-pool takes over: nobody else reads them, the
/// activation commutes with a maximum, and their values are not in limbs.
pub(super) fn fused_pools(architecture: &Architecture, layout: Layout) -> HashMap<NodeId, NodeId> {
    let consumers = architecture.consumers();
    let (mut fused, mut monotonic) = (HashMap::new(), BTreeMap::new());
    for (id, node) in architecture.nodes.iter().enumerate() {
        let Op::Affine { activation, .. } = &node.op else { continue };
        if let [consumer] = consumers[id][..]
            && matches!(architecture.nodes[consumer].op, Op::MaxPool { .. })
            && id != architecture.output
            && layout.limb_of(architecture, id).is_none()
            && *monotonic.entry(*activation).or_insert_with(|| activation.is_non_decreasing())
        {
            fused.insert(id, consumer);
        }
    }
    fused
}

impl Compiler<'_> {
    /// Emits copies of tensor `id` for the forms that its own rows do not serve.
    ///
    /// # Errors
    /// More rows than any program may have.
    pub(super) fn copied_forms(&mut self, id: NodeId) -> Result<(), CompileError> {
        for index in 0..self.forms.forms.len() {
            let form = &self.forms.forms[index];
            if form.key.node != id || form.native {
                continue;
            }
            let (key, per_channel) = (form.key, form.per_channel);
            let q = self.forms.row_strides[self.forms.root(form.group)];
            let batch = self.forms.batch;
            let (tag, lo) = self.value_tag(self.architecture.nodes[id].range);
            let zero = |element: usize| self.tensors[id][element] == Some(Builder::zero());
            let copied: Vec<usize> =
                key.order(batch).into_iter().filter(|element| key.covers(*element) && !zero(*element)).collect();
            // No two of these share a row.
            self.room_for(copied.len())?;
            let items: Vec<ChainItem> = copied
                .into_iter()
                .filter_map(|element| {
                    let x = key.place(element, q, batch, per_channel)?;
                    Some(ChainItem {
                        tag,
                        kappa: Builder::idle_kappa(),
                        lane: Lane::Value { node: id, index: element, lo },
                        y_copy: Some(self.cell(id, element)),
                        x: Some(x),
                        y: None,
                        read: false,
                    })
                })
                .collect();
            let values = self.builder.chain(&items).x;
            self.forms.forms[index].values = values;
            self.rows_in_limit()?;
        }
        Ok(())
    }

    /// `sum of x[s i + al][s j + be] v^(i q + j)` over one channel; `None` if all of it is the constant 0.
    pub(super) fn channel_form(&self, key: &FormKey, channel: usize, phase: [usize; 2]) -> Option<Val> {
        self.channel_of(self.forms.find(key), channel, phase)
    }

    /// All channels of a form in one phase, as [`Self::channel_form`].
    pub(super) fn channel_forms(&self, key: &FormKey) -> Vec<Option<Val>> {
        let index = self.forms.find(key);
        (0..key.dims[0]).map(|channel| self.channel_of(index, channel, [0, 0])).collect()
    }

    fn channel_of(&self, index: usize, channel: usize, phase: [usize; 2]) -> Option<Val> {
        let form = &self.forms.forms[index];
        let key = &form.key;
        let value = form.values.get(&key.chain_number(channel, phase[0], phase[1])).copied();
        assert!(value.is_some() || self.is_zero(key, Some((channel, phase))), "a chain that holds elements");
        value
    }

    /// Whether all elements of the form, or of one channel and phase of it, are the constant 0.
    fn is_zero(&self, key: &FormKey, part: Option<(usize, [usize; 2])>) -> bool {
        let number = part.map(|(channel, [al, be])| key.chain_number(channel, al, be));
        let [channels, h, w] = key.dims;
        // An element is a constant in all inputs or in none.
        let channels = part.map_or(0..channels, |(channel, _)| channel..channel + 1);
        let mut elements = (channels.start * h * w..channels.end * h * w).filter(|&element| {
            let place = key.place(element, 1, Batch::ONE, part.is_some());
            place.is_some_and(|(chain, _)| number.is_none_or(|number| number == chain))
        });
        elements.all(|element| self.tensors[key.node][element] == Some(Builder::zero()))
    }

    /// `sum over channels of R^c times the channel's form`.
    pub(super) fn total_form(&mut self, key: &FormKey, phase: [usize; 2]) -> Val {
        let index = self.forms.find(key);
        if let Some(total) = self.forms.forms[index].totals.get(&phase) {
            return *total;
        }
        let zero = Val { cell: Builder::zero(), mono: Mono::ONE };
        let total = if self.forms.forms[index].per_channel {
            let channels: Vec<_> = (0..key.dims[0]).map(|c| self.channel_form(key, c, phase)).collect();
            self.horner(&channels).unwrap_or(zero)
        } else {
            let value = self.forms.forms[index].values.get(&0).copied();
            assert!(value.is_some() || self.is_zero(key, None), "a chain that holds elements");
            value.unwrap_or(zero)
        };
        self.forms.forms[index].totals.insert(phase, total);
        total
    }

    /// `sum of R^c value_c`. Cost: two rows a channel; two more for each that is off by another monomial than
    /// the first.
    pub(super) fn horner(&mut self, channels: &[Option<Val>]) -> Option<Val> {
        let mono = channels.iter().flatten().next()?.mono;
        let mut sum: Option<Cell> = None;
        for value in channels.iter().rev() {
            let term = value
                .map_or_else(Builder::zero, |value| self.builder.absolute(Val { mono: value.mono / mono, ..value }));
            sum = Some(sum.map_or(term, |sum| self.builder.fma(sum, Cell::Z(0), term)));
        }
        sum.map(|cell| Val { cell, mono })
    }
}
