//! Affine layers: products of weights and operands on one side, quotients and remainders on the other.
//!
//! Spec: `docs/spec/machine.md#layout-of-a-layer`.

use super::forms::{FormKey, NativeForm};
use super::position::{Axis, Batch, plane, planes};
use super::{Compiler, groups};
use crate::error::CompileError;
use crate::integer::Activation;
use crate::machine::Shape;
use crate::network::{Architecture, NodeId, Op, Term};
use crate::program::{
    Builder, Cell, ChainItem, Group, Lane, Mono, NULL_TAG, ProductGeometry, SlotSource, TableKind, Val, WeightSlot,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

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
    /// Output at this position of an input's plane.
    Output(usize),
    /// A rim at this offset.
    Rim(i64),
}

impl Compiler<'_> {
    pub(super) fn affine(&mut self, id: NodeId) -> Result<(), CompileError> {
        let Op::Affine { activation, .. } = self.architecture.nodes[id].op else { unreachable!("an affine node") };
        match self.layout.limb_of(self.architecture, id) {
            None => self.in_one_row(id, activation),
            Some(_) => self.in_limbs(id, activation),
        }
    }

    /// Each output on a row of its own, with a table of all quotients.
    fn in_one_row(&mut self, id: NodeId, activation: Activation) -> Result<(), CompileError> {
        let shift = self.architecture.shift;
        let kappa = self.builder.table.tag(TableKind::Range { shift });
        let (tag, lo) = self.activation_tag(activation);
        let accumulated = self.shifted(id, lo)?;
        let native = self.forms.native(id);
        let read = self.forms.is_read(id);
        let output = |item: Element| ChainItem {
            tag,
            kappa,
            lane: Lane::Requantised { node: id, index: item.index, lo },
            y_copy: None,
            x: native.and_then(|n| n.place(item.index)),
            y: Some(item.mono),
            read,
        };
        let items = self.with_rims(id, native.as_ref(), output);
        let requantised = self.emit_tensor(id, &items).y.expect("a producer chain");
        let requantised = self.builder.absolute(requantised);
        self.builder.assert_equal(requantised, accumulated);
        Ok(())
    }

    /// Each output on several rows, with small tables: its activation at a quotient inside the table, its own quotient's
    /// block and place in it, and its remainder limb by limb.
    fn in_limbs(&mut self, id: NodeId, activation: Activation) -> Result<(), CompileError> {
        let blocks = self.domains.blocks[&activation];
        let tag = self.builder.table.tag(TableKind::Function { activation, domain: blocks.arguments() });
        let accumulated = self.shifted(id, blocks.origin())?;
        let native = self.forms.native(id);
        let row =
            |tag, kappa, lane, x, mono| ChainItem { tag, kappa, lane, y_copy: None, x, y: Some(mono), read: false };
        let read = self.forms.is_read(id);
        let one_row = Builder::idle_kappa();
        let inside = self.elements(id, native.as_ref()).into_iter().map(|Element { index, mono }| {
            let place = native.and_then(|n| n.place(index));
            (
                Some(index),
                ChainItem { read, ..row(tag, one_row, Lane::Inside { node: id, index, blocks }, place, mono) },
            )
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
        Ok(())
    }

    /// The accumulators with what makes them `2^shift (quotient - lo) + r` in the bias.
    fn shifted(&mut self, id: NodeId, lo: i64) -> Result<Cell, CompileError> {
        let shift = self.architecture.shift;
        self.bias_shifts.insert(id, (1i64 << (shift - 1)) - (lo << shift));
        self.linear(id)
    }

    /// The outputs of layer `id` with their monomials, in the order of its native form.
    fn elements(&self, id: NodeId, native: Option<&NativeForm>) -> Vec<Element> {
        let node = &self.architecture.nodes[id];
        let all = || (0..self.layout.batch * node.len()).collect();
        let order = native.map_or_else(all, NativeForm::order);
        order.into_iter().map(|index| self.element(id, index)).collect()
    }

    fn element(&self, id: NodeId, index: usize) -> Element {
        let [channels, h, w] = self.architecture.nodes[id].dims().expect("checked");
        let (input, channel, position) = (index / (h * w) / channels, index / (h * w) % channels, index % (h * w));
        let offset = position_offset(position, w, self.forms.row_stride(id)) + self.forms.batch().shift(input);
        Element { index, mono: Mono::element(self.exponent(id, channel), offset) }
    }

    /// The outputs of layer `id` and its rims: by exponent where the outputs are in that order too, else all rims at last.
    fn with_rims(
        &mut self,
        id: NodeId,
        native: Option<&NativeForm>,
        output: impl Fn(Element) -> ChainItem,
    ) -> Vec<(Option<usize>, ChainItem)> {
        let [channels, h, w] = self.architecture.nodes[id].dims().expect("checked");
        let [coefficients, summed] = self.coefficients(id, &BTreeSet::new());
        let rims: Vec<usize> = (0..channels).map(|channel| self.exponent(id, channel)).collect();
        let rim = |channel: usize, offset: i64| {
            (None, rim_item(id, channel, Mono::element(rims[channel], offset), offset, false))
        };
        let output = |item: Element| (Some(item.index), output(item));
        let mut items = vec![];
        if native.is_none_or(|native| native.is_in_order([channels, h, w])) {
            for channel in 0..channels {
                items.extend(coefficients.iter().map(|(input, c)| match *c {
                    Coefficient::Output(position) => {
                        output(self.element(id, (input * channels + channel) * h * w + position))
                    }
                    Coefficient::Rim(offset) => rim(channel, offset),
                }));
            }
        } else {
            items.extend(self.elements(id, native).into_iter().map(output));
            let offsets = coefficients.iter().filter_map(|(_, c)| match *c {
                Coefficient::Output(_) => None,
                Coefficient::Rim(offset) => Some(offset),
            });
            let offsets: Vec<i64> = offsets.collect();
            items.extend((0..channels).flat_map(|channel| offsets.iter().map(move |offset| rim(channel, *offset))));
        }
        items.extend(rim_sums(id, &summed, false).map(|rim| (None, rim)));
        items
    }

    /// Outputs (other than those in `dropped`, which become rims) and rims, by offset, each with its input: those that every channel has rows
    /// of, and those that are summed over the channels.
    pub(super) fn coefficients(&mut self, id: NodeId, dropped: &BTreeSet<usize>) -> [Vec<(usize, Coefficient)>; 2] {
        let (q, batch) = (self.forms.row_stride(id), self.forms.batch());
        let group = self.group(id);
        self.geometry.insert(id, ProductGeometry { row_stride: q, input_stride: batch.stride, group });
        let first = coefficients(self.architecture, id, q, dropped);
        let [_, _, w] = self.architecture.nodes[id].dims().expect("checked");
        let span = span(&first, w, q);
        assert!(batch.count == 1 || span.end - span.start <= batch.stride, "no two inputs share an exponent");
        let moved = |coefficient: Coefficient, shift: i64| match coefficient {
            Coefficient::Rim(offset) => Coefficient::Rim(offset + shift),
            output => output,
        };
        let inputs = batch.shifts();
        let all = inputs.flat_map(|(input, shift)| first.iter().map(move |c| (input, moved(*c, shift))));
        match self.layout.shape {
            Shape::Single => [all.collect(), vec![]],
            Shape::Paired => {
                let (outputs, rims) = all.partition(|(_, coefficient)| matches!(coefficient, Coefficient::Output(_)));
                [outputs, rims]
            }
        }
    }

    /// A cell that is the layer's accumulators, shifted bias included, as a polynomial in the challenges.
    ///
    /// # Errors
    /// More rows than the program may have.
    pub(super) fn linear(&mut self, id: NodeId) -> Result<Cell, CompileError> {
        let architecture = self.architecture;
        let Op::Affine { terms, .. } = &architecture.nodes[id].op else { unreachable!("an affine node") };
        let mut sum = self.weighted(id, terms);
        for term in terms {
            let dims = architecture.nodes[id].dims().expect("checked");
            let operand_dims = architecture.nodes[term.input()].dims().unwrap_or(dims);
            let (key, factor) = match term {
                Term::Dense { .. } | Term::Conv { .. } => continue,
                Term::Scale { input, factor } => (FormKey::phases(architecture, *input, dims, [1, 1]), *factor),
                Term::SumPool { input, window, factor } if window.is_tiling() => {
                    (FormKey::windows(architecture, *input, operand_dims, window.kernel, true), *factor)
                }
                Term::SumPool { factor, .. } => {
                    sum = self.window_sums(id, term, *factor, sum)?;
                    continue;
                }
                Term::Product { left, right, factor } => {
                    sum = self.products_of_elements(id, [*left, *right], *factor, sum);
                    self.rows_in_limit()?;
                    continue;
                }
            };
            let total = self.total_form(&key, [0, 0]);
            let factor = self.builder.constant(factor);
            sum = self.builder.accumulate(total, factor, sum);
            self.rows_in_limit()?;
        }
        Ok(sum)
    }

    /// The terms that have weights, and the bias: one run of products for each group of channels.
    fn weighted(&mut self, id: NodeId, terms: &[Term]) -> Cell {
        let groups = groups(self.architecture, id);
        let members = self.architecture.nodes[id].shape[0] / groups;
        let positions = self.positions(id);
        let mut sum: Option<Cell> = None;
        for first in (0..groups).rev().map(|group| group * members) {
            let channels = first..first + members;
            let mut products = vec![];
            for (index, term) in terms.iter().enumerate() {
                match term {
                    Term::Dense { input } => self.dense(id, index, *input, &mut products),
                    Term::Conv { .. } => self.convolution(id, index, term, &channels, &mut products),
                    Term::Scale { .. } | Term::SumPool { .. } | Term::Product { .. } => {}
                }
            }
            products.push(Group { items: self.slots(id, &channels, SlotSource::Bias, Mono::ONE), operand: positions });
            let group = self.builder.products(&products);
            let group = self.builder.absolute(group);
            sum = Some(match sum {
                None => group,
                Some(sum) => {
                    let step = self.builder.mono(Mono::channel(self.group_span(members) as i64));
                    self.builder.fma(sum, step, group)
                }
            });
        }
        sum.expect("a layer has a channel")
    }

    /// Adds `factor` times the sums over windows: the polynomial of all channels times one of the window's elements.
    fn window_sums(&mut self, id: NodeId, term: &Term, factor: i64, mut sum: Cell) -> Result<Cell, CompileError> {
        let window = term.window().expect("a sum over windows");
        let plane = plane(self.architecture, id, term);
        let q = self.forms.row_stride(id);
        let dims = self.architecture.nodes[term.input()].dims().expect("validated");
        let key = FormKey::phases(self.architecture, term.input(), dims, window.strides);
        let factor = self.builder.constant(factor);
        for (al, rows) in taps(&plane.rows) {
            for (be, cols) in taps(&plane.cols) {
                let rows = self.run(&rows, q);
                let cols = self.run(&cols, 1);
                let kernel = self.builder.multiply(rows, cols);
                let kernel = self.builder.multiply(kernel, factor);
                let total = self.total_form(&key, [al, be]);
                sum = self.builder.accumulate(total, kernel, sum);
                self.rows_in_limit()?;
            }
        }
        Ok(sum)
    }

    /// `sum of v^(-tap q)` over taps in arithmetic progression.
    fn run(&mut self, taps: &[i64], q: i64) -> Cell {
        let step = taps.get(1).map_or(0, |second| second - taps[0]);
        let sum = self.builder.geometric(Mono::position(step * q), taps.len());
        self.builder.absolute(Val { cell: sum, mono: Mono::position(taps[0] * q) })
    }

    /// Adds `factor` times the products of two tensors' elements. Cost: four rows a channel and two for their sum, if one
    /// tensor has one element a channel; else four rows an element.
    fn products_of_elements(&mut self, id: NodeId, operands: [NodeId; 2], factor: i64, sum: Cell) -> Cell {
        let dims = self.architecture.nodes[id].dims().expect("checked");
        if let Some((tensor, gate)) = self.forms.gates().pair(operands, dims) {
            return self.gated_channels(tensor, gate, dims, factor, sum);
        }
        let mut total: Option<(Cell, Mono)> = None;
        for Element { index, mono } in self.elements(id, None).into_iter().rev() {
            let [x, y] = operands.map(|operand| self.cell(operand, index));
            let product = self.builder.multiply(x, y);
            let cell = match total {
                None => product,
                Some((total, last)) => {
                    let step = self.builder.mono(last / mono);
                    self.builder.fma(total, step, product)
                }
            };
            total = Some((cell, mono));
        }
        let (cell, mono) = total.expect("a tensor has an element");
        let factor = self.builder.constant(factor);
        self.builder.accumulate(Val { cell, mono }, factor, sum)
    }

    /// Adds `factor` times each channel of `tensor` times the one element that `gate` has in it.
    fn gated_channels(&mut self, tensor: NodeId, gate: NodeId, dims: [usize; 3], factor: i64, sum: Cell) -> Cell {
        let key = FormKey::phases(self.architecture, tensor, dims, [1, 1]);
        let plane = dims[1] * dims[2];
        let channels: Vec<Option<Val>> = (0..dims[0])
            .map(|channel| {
                let form = self.channel_form(&key, channel, [0, 0])?;
                let gate = self.cell(gate, channel * plane);
                let cell = self.builder.multiply(form.cell, gate);
                Some(Val { cell, ..form })
            })
            .collect();
        let Some(total) = self.horner(&channels) else { return sum };
        let factor = self.builder.constant(factor);
        self.builder.accumulate(total, factor, sum)
    }

    /// The output channels `channels` in blocks of lanes, highest first: the first of each, and how many.
    fn blocks(&self, channels: &Range<usize>) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (channels, lanes) = (channels.clone(), self.layout.lanes);
        let starts = channels.clone().step_by(lanes).rev();
        starts.map(move |first| (first, lanes.min(channels.end - first)))
    }

    /// The weights of output channels at `source`, times `mono`, highest block first.
    fn slots(&self, id: NodeId, channels: &Range<usize>, source: SlotSource, mono: Mono) -> Vec<(WeightSlot, Mono)> {
        let slot = |(first, count): (usize, usize)| {
            let slot = WeightSlot { node: id, first, count, source };
            (slot, Mono::channel((first - channels.start) as i64) * mono)
        };
        self.blocks(channels).map(slot).collect()
    }

    fn dense(&self, id: NodeId, term: usize, input: NodeId, groups: &mut Vec<Group>) {
        let channels = 0..self.architecture.nodes[id].shape[0];
        let operands: Vec<Option<Val>> = match self.layout.batch {
            1 => (0..self.tensors[input].len())
                .map(|index| Some(Val { cell: self.cell(input, index), mono: Mono::ONE }))
                .collect(),
            // The polynomial of each element in all inputs.
            _ => self.channel_forms(&FormKey::elements(self.architecture, input)),
        };
        for (index, operand) in operands.into_iter().enumerate() {
            let Some(operand) = operand else { continue };
            let items = self.slots(id, &channels, SlotSource::Term { term, index }, Mono::ONE);
            groups.push(Group { items, operand });
        }
    }

    /// One operand for each input channel and phase that the output channels `channels`, of one group, read.
    fn convolution(&self, id: NodeId, index: usize, term: &Term, channels: &Range<usize>, groups: &mut Vec<Group>) {
        let Term::Conv { input, window, groups: number } = term else { unreachable!("a convolution") };
        let plane = plane(self.architecture, id, term);
        let q = self.forms.row_stride(id);
        let dims = self.architecture.nodes[*input].dims().expect("validated");
        let key = FormKey::phases(self.architecture, *input, dims, window.strides);
        let (members, [kh, kw]) = (dims[0] / number, window.kernel);
        let first = channels.start / channels.len() * members;
        for member in 0..members {
            let mut phases: BTreeMap<(usize, usize), Vec<(SlotSource, Mono)>> = BTreeMap::new();
            for (a, b) in (0..kh).flat_map(|a| (0..kw).map(move |b| (a, b))) {
                let ((al, ta), (be, tb)) = (plane.rows.tap(a), plane.cols.tap(b));
                let source = SlotSource::Term { term: index, index: (member * kh + a) * kw + b };
                phases.entry((al, be)).or_default().push((source, Mono::element(0, -(ta * q + tb))));
            }
            for ((al, be), mut cells) in phases {
                if plane.rows.phase_len(al) == 0 || plane.cols.phase_len(be) == 0 {
                    continue;
                }
                let Some(operand) = self.channel_form(&key, first + member, [al, be]) else { continue };
                // Descending exponents of u, block by block.
                cells.sort_by_key(|(_, mono)| std::cmp::Reverse(mono.position));
                let blocks = self.blocks(channels).flat_map(|(first, count)| {
                    let shift = Mono::channel((first - channels.start) as i64);
                    let slot = move |source| WeightSlot { node: id, first, count, source };
                    cells.iter().map(move |&(source, mono)| (slot(source), shift * mono))
                });
                groups.push(Group { items: blocks.collect(), operand });
            }
        }
    }

    /// The sum of all outputs' positions in a channel, of all inputs.
    fn positions(&mut self, id: NodeId) -> Val {
        let [_, h, w] = self.architecture.nodes[id].dims().expect("checked");
        let q = self.forms.row_stride(id);
        let rows = self.builder.geometric(Mono::position(-q), h);
        let cols = self.builder.geometric(Mono::position(-1), w);
        let plane = if h == 1 {
            cols
        } else if w == 1 {
            rows
        } else {
            self.builder.multiply(rows, cols)
        };
        Val { cell: self.in_all_inputs(plane), mono: Mono::ONE }
    }

    /// A sum of monomials of one input, with those of all others.
    pub(super) fn in_all_inputs(&mut self, sum: Cell) -> Cell {
        let Batch { count, stride } = self.forms.batch();
        if count == 1 {
            return sum;
        }
        let inputs = self.builder.geometric(Mono::position(-stride), count);
        self.builder.multiply(sum, inputs)
    }
}

/// The exponents that outputs and rims of layer `id` lie between, of one input.
pub(super) fn offsets(architecture: &Architecture, id: NodeId, q: i64) -> Range<i64> {
    let [_, _, w] = architecture.nodes[id].dims().expect("checked");
    span(&coefficients(architecture, id, q, &BTreeSet::new()), w, q)
}

fn span(coefficients: &[Coefficient], w: usize, q: i64) -> Range<i64> {
    let offset = |coefficient: &Coefficient| match *coefficient {
        Coefficient::Output(position) => position_offset(position, w, q),
        Coefficient::Rim(offset) => offset,
    };
    let end = |coefficient: Option<&Coefficient>| offset(coefficient.expect("a layer has an output"));
    end(coefficients.first())..end(coefficients.last()) + 1
}

/// Outputs and rims of one channel of layer `id` under row stride `q`, of one input, by offset.
pub(super) fn coefficients(
    architecture: &Architecture,
    id: NodeId,
    q: i64,
    dropped: &BTreeSet<usize>,
) -> Vec<Coefficient> {
    let node = &architecture.nodes[id];
    let [_, h, w] = node.dims().expect("checked");
    let mut rims: BTreeSet<i64> = BTreeSet::new();
    for plane in planes(architecture, id) {
        rims.extend(plane.support(q));
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

/// The taps of each phase that a kernel meets, ascending: an arithmetic progression.
fn taps(axis: &Axis) -> BTreeMap<usize, Vec<i64>> {
    let mut phases: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
    for (phase, tap) in (0..axis.kernel).map(|a| axis.tap(a)).filter(|(phase, _)| axis.phase_len(*phase) > 0) {
        phases.entry(phase).or_default().push(tap);
    }
    phases
}

/// A row that holds a coefficient of the product polynomial that is no output.
pub(super) fn rim_item(node: NodeId, channel: usize, mono: Mono, offset: i64, negative: bool) -> ChainItem {
    ChainItem {
        tag: NULL_TAG,
        kappa: 0,
        lane: Lane::Rim { node, channel, offset, negative },
        y_copy: None,
        x: None,
        y: Some(mono),
        read: false,
    }
}

/// Rows that hold the rims of a layer, each summed over the channels with the powers of `R` that their outputs have.
pub(super) fn rim_sums(
    node: NodeId,
    coefficients: &[(usize, Coefficient)],
    negative: bool,
) -> impl Iterator<Item = ChainItem> {
    coefficients.iter().filter_map(move |(_, coefficient)| match *coefficient {
        Coefficient::Output(_) => None,
        Coefficient::Rim(offset) => Some(ChainItem {
            lane: Lane::RimSum { node, offset, negative },
            ..rim_item(node, 0, Mono::element(0, offset), offset, negative)
        }),
    })
}
