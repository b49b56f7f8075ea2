//! Maxima over non-overlapping windows.
//!
//! Spec: `docs/spec/machine.md#maximum-of-non-overlapping-windows-fused-with-the-requantisation`.

use super::Compiler;
use super::affine::{Coefficient, position_offset, rim_item, rim_sums};
use super::forms::FormKey;
use super::position::Batch;
use crate::error::CompileError;
use crate::machine::Shape;
use crate::network::{NodeId, Op};
use crate::program::{Builder, Cell, ChainItem, Lane, Mono, TableKind, Val};
use std::collections::BTreeSet;

/// Windows of a pool over `[c, h, w]`, of all inputs.
#[derive(Clone, Copy)]
struct Windows {
    dims: [usize; 3],
    kernel: [usize; 2],
    batch: Batch,
}

impl Windows {
    const fn out(&self) -> [usize; 2] {
        [self.dims[1] / self.kernel[0], self.dims[2] / self.kernel[1]]
    }

    /// Row-major index of the window over an element, planes of all inputs one after the other.
    fn window(&self, element: usize) -> Option<usize> {
        let [oh, ow] = self.out();
        let [_, h, w] = self.dims;
        let (plane, i, j) = (element / (h * w), element / w % h / self.kernel[0], element % w / self.kernel[1]);
        (i < oh && j < ow).then(|| (plane * oh + i) * ow + j)
    }

    /// Channel and offset of a window's first element under row stride `q`.
    fn first_offset(&self, window: usize, q: i64) -> (usize, i64) {
        let [oh, ow] = self.out();
        let (plane, i, j) = (window / (oh * ow), window / ow % oh, window % ow);
        let (input, channel) = (plane / self.dims[0], plane % self.dims[0]);
        let offset = (i * self.kernel[0]) as i64 * q + (j * self.kernel[1]) as i64;
        (channel, offset + self.batch.shift(input))
    }

    /// Channel and offset of an element.
    fn offset(&self, element: usize, q: i64) -> (usize, i64) {
        let [channels, h, w] = self.dims;
        let (plane, position) = (element / (h * w), element % (h * w));
        (plane % channels, position_offset(position, w, q) + self.batch.shift(plane / channels))
    }

    fn assert_apart(&self, q: i64) {
        let [_, h, w] = self.dims;
        let span = position_offset(h * w - 1, w, q) + 1;
        assert!(self.batch.count == 1 || span <= self.batch.stride, "no two inputs share an exponent");
    }

    /// Elements under the windows and beside them.
    fn elements(&self) -> usize {
        self.batch.count * self.dims.iter().product::<usize>()
    }

    fn count(&self) -> usize {
        let [oh, ow] = self.out();
        self.batch.count * self.dims[0] * oh * ow
    }
}

impl Compiler<'_> {
    fn windows(&self, pool: NodeId) -> (NodeId, Windows) {
        let Op::MaxPool { input, kernel } = self.architecture.nodes[pool].op else { unreachable!("a max-pool") };
        let dims = self.architecture.nodes[input].dims().expect("validated");
        (input, Windows { dims, kernel, batch: self.forms.batch() })
    }

    /// The maximum of an affine layer, taken on its quotients.
    pub(super) fn fused_max_pool(&mut self, id: NodeId, pool: NodeId) -> Result<(), CompileError> {
        let Op::Affine { activation, .. } = self.architecture.nodes[id].op else { unreachable!("an affine node") };
        let (_, windows) = self.windows(pool);
        let (tag, lo) = self.activation_tag(activation);
        let shift = self.architecture.shift;
        // acc + half - kappa lo = kappa (q_M - lo) - (kappa d + r_complement) + kappa - 1
        let half = 1i64 << (shift - 1);
        self.bias_shifts.insert(id, half - (lo << shift) + 1 - (1 << shift));
        let accumulated = self.linear(id)?;
        let (below, bits) = self.below_rows(id, pool, windows);
        let greatest = self.maxima_rows(pool, windows, tag, id, |window| Lane::Greatest { pool, window, lo });
        let one = self.builder.constant(1);
        let left = self.builder.accumulate(below, one, accumulated);
        let kappa = self.builder.constant(1 << shift);
        self.finish_max(windows, self.forms.row_stride(id), (left, greatest, kappa), bits);
        Ok(())
    }

    /// Rows of the layer's outputs as distances below their window's maximum, and its rims.
    fn below_rows(&mut self, id: NodeId, pool: NodeId, windows: Windows) -> (Val, Val) {
        let shift = self.architecture.shift;
        let kappa = self.builder.table.tag(TableKind::Range { shift });
        let tag = self.difference_tag();
        let [channels, h, w] = windows.dims;
        let q = self.forms.row_stride(id);
        let dropped: BTreeSet<usize> = (0..h * w).filter(|p| windows.window(*p).is_none()).collect();
        let [coefficients, summed] = self.coefficients(id, &dropped);
        let mut items = vec![];
        for channel in 0..channels {
            items.extend(coefficients.iter().map(|&(input, c)| match c {
                Coefficient::Rim(offset) => {
                    rim_item(id, channel, Mono::element(self.exponent(id, channel), offset), offset, true)
                }
                Coefficient::Output(position) => {
                    let index = (input * channels + channel) * h * w + position;
                    let window = windows.window(index).expect("the others are dropped");
                    let (channel, offset) = windows.offset(index, q);
                    ChainItem {
                        tag,
                        kappa,
                        lane: Lane::Below { node: id, index, pool, window },
                        y_copy: None,
                        x: Some((0, Mono::position(-(window as i64)))),
                        y: Some(Mono::element(self.exponent(id, channel), offset)),
                        read: false,
                    }
                }
            }));
        }
        items.extend(rim_sums(id, &summed, true));
        let values = self.builder.chain(&items);
        (values.y.expect("a producer chain"), values.x[&0])
    }

    /// One row a window, with the maximum in `q` and its activation in `y`.
    fn maxima_rows(
        &mut self,
        pool: NodeId,
        windows: Windows,
        tag: u64,
        layer: NodeId,
        lane: impl Fn(usize) -> Lane,
    ) -> Val {
        let q = self.forms.row_stride(layer);
        let (native, read) = (self.forms.native(pool), self.forms.is_read(pool));
        let order = native.map_or_else(|| (0..windows.count()).collect(), |n| n.order());
        let items: Vec<_> = order
            .into_iter()
            .map(|window| {
                let (channel, offset) = windows.first_offset(window, q);
                let item = ChainItem {
                    tag,
                    kappa: Builder::idle_kappa(),
                    lane: lane(window),
                    y_copy: None,
                    x: native.and_then(|n| n.place(window)),
                    y: Some(Mono::element(self.exponent(layer, channel), offset)),
                    read,
                };
                (Some(window), item)
            })
            .collect();
        self.emit_tensor(pool, &items).y.expect("a producer chain")
    }

    /// The two equalities of a maximum: values below add up, and one bit a window is set.
    fn finish_max(&mut self, windows: Windows, q: i64, (left, greatest, kappa): (Cell, Val, Cell), bits: Val) {
        let [kh, kw] = windows.kernel;
        let rows = self.builder.geometric(Mono::position(-q), kh);
        let cols = self.builder.geometric(Mono::position(-1), kw);
        let window = self.builder.multiply(rows, cols);
        let factor = self.builder.multiply(window, kappa);
        let right = self.builder.accumulate(greatest, factor, Builder::zero());
        self.builder.assert_equal(left, right);
        let all = self.builder.geometric(Mono::position(-1), windows.count());
        let bits = self.builder.absolute(bits);
        self.builder.assert_equal(bits, all);
    }

    /// The maximum of values that are already requantised.
    pub(super) fn max_pool(&mut self, pool: NodeId) -> Result<(), CompileError> {
        let (input, windows) = self.windows(pool);
        let range = self.architecture.nodes[input].range;
        let q = self.forms.row_stride(pool);
        windows.assert_apart(q);
        let covered = (0..windows.elements()).filter(|index| windows.window(*index).is_some()).count();
        // Two of these share a row at best.
        self.room_for(if self.layout.shape == Shape::Paired { covered.div_ceil(2) } else { covered })?;
        let tag = self.difference_tag();
        let mut items = vec![];
        for index in 0..windows.elements() {
            let (channel, offset) = windows.offset(index, q);
            items.extend(windows.window(index).map(|window| ChainItem {
                tag,
                kappa: Builder::idle_kappa(),
                lane: Lane::BelowValue { node: input, index, pool, window },
                y_copy: None,
                x: Some((0, Mono::position(-(window as i64)))),
                y: Some(Mono::element(channel, offset)),
                read: false,
            }));
        }
        let below = self.builder.chain(&items);
        let identity = self.identity_tag(range);
        let greatest =
            self.maxima_rows(pool, windows, identity, pool, |index| Lane::Value { node: pool, index, lo: range.lo });
        let covered = self.covered_total(input, windows, q);
        let one = self.builder.constant(1);
        let left = self.builder.accumulate(below.y.expect("a producer chain"), one, covered);
        self.finish_max(windows, q, (left, greatest, one), below.x[&0]);
        Ok(())
    }

    /// `sum over covered elements of (x - lo) * monomial`.
    fn covered_total(&mut self, input: NodeId, windows: Windows, q: i64) -> Cell {
        let key = FormKey::windows(self.architecture, input, windows.dims, windows.kernel, false);
        let total = self.total_form(&key, [0, 0]);
        let total = self.builder.absolute(total);
        let lo = self.architecture.nodes[input].range.lo;
        if lo == 0 {
            return total;
        }
        // Maxima are stored less `lo`: subtract `lo` times the sum of all monomials.
        let mut ones = self.builder.geometric(Mono::channel(1), windows.dims[0]);
        for (step, count) in [(Mono::position(-q), key.crop[0]), (Mono::position(-1), key.crop[1])] {
            let axis = self.builder.geometric(step, count);
            ones = self.builder.multiply(ones, axis);
        }
        let ones = self.in_all_inputs(ones);
        let minus_lo = self.builder.constant(-lo);
        self.builder.fma(ones, minus_lo, total)
    }
}
