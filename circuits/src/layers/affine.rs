//! Affine layers: products of weights and operands on one side, quotients and remainders on the other.
//!
//! Spec: `docs/spec/machine.md#layout-of-a-layer`.

use super::Compiler;
use super::forms::{FormKey, NativeForm};
use super::position::plane;
use crate::integer::Activation;
use crate::network::{NodeId, Op, Term};
use crate::program::{
    Blocks, Builder, Cell, ChainItem, Group, Lane, Mono, NULL_TAG, ProductGeometry, SlotSource, TableKind, Val,
    WeightSlot,
};
use std::collections::{BTreeMap, BTreeSet};

/// An output of a layer and its monomial in the layer's equality.
#[derive(Clone, Copy, Debug)]
struct Element {
    index: usize,
    mono: Mono,
}

/// Exponent of position `position` in a plane of width `w`.
pub(super) const fn position_offset(position: usize, w: usize, q: i64) -> i64 {
    (position / w) as i64 * q + (position % w) as i64
}

/// A position of a layer's product polynomial, in one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coefficient {
    /// Output at this position of the plane.
    Output(usize),
    /// A rim at this offset.
    Rim(i64),
}

impl Compiler<'_> {
    pub(super) fn affine(&mut self, id: NodeId) {
        let Op::Affine { activation, .. } = self.architecture.nodes[id].op else { unreachable!("an affine node") };
        match self.domains.blocks.get(&activation) {
            None => self.in_one_row(id, activation),
            Some(blocks) => self.in_limbs(id, activation, *blocks),
        }
    }

    /// Each output on a row of its own, with a table of all quotients.
    fn in_one_row(&mut self, id: NodeId, activation: Activation) {
        let shift = self.architecture.shift;
        let kappa = self.builder.table.tag(TableKind::Range { shift });
        let (tag, lo) = self.activation_tag(activation);
        let accumulated = self.shifted(id, lo);
        let native = self.forms.native(id);
        let output = |item: Element| ChainItem {
            tag,
            kappa,
            lane: Lane::Requantised { node: id, index: item.index, lo },
            y_copy: None,
            x: native.and_then(|n| n.place(item.index)),
            y: Some(item.mono),
        };
        let items = self.with_rims(id, native.as_ref(), output);
        let requantised = self.emit_tensor(id, &items).y.expect("a producer chain");
        let requantised = self.builder.absolute(requantised);
        self.builder.assert_equal(requantised, accumulated);
    }

    /// Each output on several rows, with small tables: its activation at a quotient inside the table, its own quotient's
    /// block and place in it, and its remainder limb by limb.
    fn in_limbs(&mut self, id: NodeId, activation: Activation, blocks: Blocks) {
        let (tag, lo) = self.activation_tag(activation);
        assert_eq!(lo, blocks.arguments().lo, "the table holds the blocks");
        let accumulated = self.shifted(id, blocks.origin());
        let native = self.forms.native(id);
        let row = |tag, kappa, lane, x, mono| ChainItem { tag, kappa, lane, y_copy: None, x, y: Some(mono) };
        let one_row = Builder::idle_kappa();
        let inside = self.elements(id, native.as_ref()).into_iter().map(|Element { index, mono }| {
            let place = native.and_then(|n| n.place(index));
            (Some(index), row(tag, one_row, Lane::Inside { node: id, index, blocks }, place, mono))
        });
        let inside: Vec<_> = inside.collect();
        let inside = self.emit_tensor(id, &inside).y.expect("a producer chain");

        let low = self.builder.table.tag(TableKind::Range { shift: blocks.limb });
        let reached = self.domains.reached[&blocks.count];
        let tag = self.builder.table.tag(TableKind::Excess { reached, count: blocks.count });
        let quotients = self.elements(id, None).into_iter().map(|Element { index, mono }| {
            row(tag, low, Lane::Block { node: id, index, blocks }, Some((0, mono)), mono)
        });
        let quotients = self.builder.chain(&quotients.collect::<Vec<_>>());
        let (excess, quotient) = (quotients.x[&0], quotients.y.expect("a producer chain"));
        let quotient = self.builder.absolute(quotient);

        // The quotient, less its excess, is the one in the table.
        let (block, one) = (self.builder.constant(1 << blocks.limb), self.builder.constant(1));
        let sum = self.builder.accumulate(excess, block, Builder::zero());
        let sum = self.builder.accumulate(inside, one, sum);
        self.builder.assert_equal(sum, quotient);

        // Quotient and remainder are the accumulator's.
        let shift = self.architecture.shift;
        let scale = self.builder.constant(1 << shift);
        let mut sum = self.builder.multiply(quotient, scale);
        for low in (0..shift).step_by(blocks.limb as usize) {
            let bits = blocks.limb.min(shift - low);
            let kappa = self.builder.table.tag(TableKind::Range { shift: bits });
            let limb = |Element { index, mono }: Element| {
                row(NULL_TAG, kappa, Lane::Limb { node: id, index, low, bits }, None, mono)
            };
            // Rims have the weight of the lowest limb.
            let items: Vec<ChainItem> = if low == 0 {
                self.with_rims(id, None, limb).into_iter().map(|(_, item)| item).collect()
            } else {
                self.elements(id, None).into_iter().map(limb).collect()
            };
            let value = self.builder.chain(&items).y.expect("a producer chain");
            let weight = self.builder.constant(1 << low);
            sum = self.builder.accumulate(value, weight, sum);
        }
        self.builder.assert_equal(sum, accumulated);
    }

    /// The accumulators with what makes them `2^shift (quotient - lo) + r` in the bias.
    fn shifted(&mut self, id: NodeId, lo: i64) -> Cell {
        let shift = self.architecture.shift;
        self.bias_shifts.insert(id, (1i64 << (shift - 1)) - (lo << shift));
        self.linear(id)
    }

    /// The outputs of layer `id` with their monomials, in the order of its native form.
    fn elements(&self, id: NodeId, native: Option<&NativeForm>) -> Vec<Element> {
        let node = &self.architecture.nodes[id];
        let order = native.map_or_else(|| (0..node.len()).collect(), NativeForm::order);
        order.into_iter().map(|index| self.element(id, index)).collect()
    }

    fn element(&self, id: NodeId, index: usize) -> Element {
        let [_, h, w] = self.architecture.nodes[id].dims().expect("checked");
        let (channel, position) = (index / (h * w), index % (h * w));
        Element { index, mono: Mono::element(channel, position_offset(position, w, self.forms.row_stride(id))) }
    }

    /// The outputs of layer `id` and its rims: by exponent where the order of the outputs is row-major, else all rims at last.
    fn with_rims(
        &mut self,
        id: NodeId,
        native: Option<&NativeForm>,
        output: impl Fn(Element) -> ChainItem,
    ) -> Vec<(Option<usize>, ChainItem)> {
        let [channels, h, w] = self.architecture.nodes[id].dims().expect("checked");
        let coefficients = self.coefficients(id, &BTreeSet::new());
        let rim = |channel: usize, offset: i64| (None, rim_item(id, channel, offset, false));
        let output = |item: Element| (Some(item.index), output(item));
        let mut items = vec![];
        if native.is_none_or(NativeForm::is_row_major) {
            for channel in 0..channels {
                items.extend(coefficients.iter().map(|c| match *c {
                    Coefficient::Output(position) => output(self.element(id, channel * h * w + position)),
                    Coefficient::Rim(offset) => rim(channel, offset),
                }));
            }
        } else {
            items.extend(self.elements(id, native).into_iter().map(output));
            for channel in 0..channels {
                items.extend(coefficients.iter().filter_map(|c| match *c {
                    Coefficient::Output(_) => None,
                    Coefficient::Rim(offset) => Some(rim(channel, offset)),
                }));
            }
        }
        items
    }

    /// Outputs (other than those in `dropped`, which become rims) and rims of one channel, by offset.
    pub(super) fn coefficients(&mut self, id: NodeId, dropped: &BTreeSet<usize>) -> Vec<Coefficient> {
        let node = &self.architecture.nodes[id];
        let Op::Affine { terms, .. } = &node.op else { unreachable!("an affine node") };
        let [_, h, w] = node.dims().expect("checked");
        let q = self.forms.row_stride(id);
        self.geometry.insert(id, ProductGeometry { row_stride: q });
        let mut rims: BTreeSet<i64> = BTreeSet::new();
        for term in terms.iter().filter(|t| matches!(t, Term::Conv { .. })) {
            rims.extend(plane(self.architecture, id, term).support(q));
        }
        let mut all: Vec<(i64, Coefficient)> = vec![];
        for position in 0..h * w {
            let offset = position_offset(position, w, q);
            if dropped.contains(&position) {
                rims.insert(offset);
            } else {
                rims.remove(&offset);
                all.push((offset, Coefficient::Output(position)));
            }
        }
        all.extend(rims.into_iter().map(|offset| (offset, Coefficient::Rim(offset))));
        all.sort_by_key(|(offset, _)| *offset);
        assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0), "monomials are distinct");
        all.into_iter().map(|(_, c)| c).collect()
    }

    /// A cell that is the layer's accumulators, shifted bias included, as a polynomial in the challenges.
    pub(super) fn linear(&mut self, id: NodeId) -> Cell {
        let architecture = self.architecture;
        let Op::Affine { terms, .. } = &architecture.nodes[id].op else { unreachable!("an affine node") };
        let mut groups = vec![];
        for (index, term) in terms.iter().enumerate() {
            match term {
                Term::Dense { input } => self.dense(id, index, *input, &mut groups),
                Term::Conv { .. } => self.convolution(id, index, term, &mut groups),
                Term::Scale { .. } | Term::SumPool { .. } => {}
            }
        }
        groups.push(self.bias(id));
        let sum = self.builder.products(&groups);
        let mut sum = self.builder.absolute(sum);
        for term in terms {
            let dims = architecture.nodes[id].dims().expect("checked");
            let operand_dims = architecture.nodes[term.input()].dims().unwrap_or(dims);
            let (key, factor) = match term {
                Term::Scale { input, factor } => (FormKey::phases(architecture, *input, dims, [1, 1]), *factor),
                Term::SumPool { input, kernel, factor } => {
                    (FormKey::windows(architecture, *input, operand_dims, *kernel, true), *factor)
                }
                _ => continue,
            };
            let total = self.total_form(&key);
            let factor = self.builder.constant(factor);
            sum = self.builder.accumulate(total, factor, sum);
        }
        sum
    }

    fn blocks(&self, id: NodeId) -> std::iter::Rev<std::ops::Range<usize>> {
        (0..self.architecture.nodes[id].shape[0].div_ceil(self.layout.lanes)).rev()
    }

    /// The weights of every output channel at `source`, times `mono`, highest block first.
    fn slots(&self, id: NodeId, source: SlotSource, mono: Mono) -> Vec<(WeightSlot, Mono)> {
        self.blocks(id)
            .map(|block| {
                let slot = WeightSlot { node: id, block, source };
                (slot, Mono::channel((block * self.layout.lanes) as i64) * mono)
            })
            .collect()
    }

    fn dense(&self, id: NodeId, term: usize, input: NodeId, groups: &mut Vec<Group>) {
        for (index, cell) in self.tensors[input].iter().enumerate() {
            groups.push(Group {
                items: self.slots(id, SlotSource::Term { term, index }, Mono::ONE),
                operand: Val { cell: *cell, mono: Mono::ONE },
            });
        }
    }

    fn convolution(&self, id: NodeId, index: usize, term: &Term, groups: &mut Vec<Group>) {
        let Term::Conv { input, kernel, strides, .. } = term else { unreachable!("a convolution") };
        let plane = plane(self.architecture, id, term);
        let q = self.forms.row_stride(id);
        let dims = self.architecture.nodes[*input].dims().expect("validated");
        let key = FormKey::phases(self.architecture, *input, dims, *strides);
        for channel in 0..dims[0] {
            let mut phases: BTreeMap<(usize, usize), Vec<(SlotSource, Mono)>> = BTreeMap::new();
            for (a, b) in (0..kernel[0]).flat_map(|a| (0..kernel[1]).map(move |b| (a, b))) {
                let ((al, ta), (be, tb)) = (plane.rows.tap(a), plane.cols.tap(b));
                let source = SlotSource::Term { term: index, index: (channel * kernel[0] + a) * kernel[1] + b };
                phases.entry((al, be)).or_default().push((source, Mono::element(0, -(ta * q + tb))));
            }
            for ((al, be), mut cells) in phases {
                if plane.rows.phase_len(al) == 0 || plane.cols.phase_len(be) == 0 {
                    continue;
                }
                // Descending exponents of u, block by block.
                cells.sort_by_key(|(_, mono)| std::cmp::Reverse(mono.position));
                let blocks = self.blocks(id).flat_map(|block| {
                    let shift = Mono::channel((block * self.layout.lanes) as i64);
                    cells.iter().map(move |&(source, mono)| (WeightSlot { node: id, block, source }, shift * mono))
                });
                groups.push(Group { items: blocks.collect(), operand: self.channel_form(&key, channel, [al, be]) });
            }
        }
    }

    /// Biases times the sum of all outputs' positions.
    fn bias(&mut self, id: NodeId) -> Group {
        let [_, h, w] = self.architecture.nodes[id].dims().expect("checked");
        let q = self.forms.row_stride(id);
        let rows = self.builder.geometric(Mono::position(-q), h);
        let cols = self.builder.geometric(Mono::position(-1), w);
        let cell = if h == 1 {
            cols
        } else if w == 1 {
            rows
        } else {
            self.builder.multiply(rows, cols)
        };
        Group { items: self.slots(id, SlotSource::Bias, Mono::ONE), operand: Val { cell, mono: Mono::ONE } }
    }
}

/// A row that holds a coefficient of the product polynomial that is no output.
pub(super) fn rim_item(node: NodeId, channel: usize, offset: i64, negative: bool) -> ChainItem {
    ChainItem {
        tag: NULL_TAG,
        kappa: 0,
        lane: Lane::Rim { node, channel, offset, negative },
        y_copy: None,
        x: None,
        y: Some(Mono::element(channel, offset)),
    }
}
