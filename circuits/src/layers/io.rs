//! Public input and output: packed words of bytes.
//!
//! Spec: `docs/spec/machine.md#public-tensors`.

use super::Compiler;
use crate::packing::Packing;
use crate::program::{Builder, Cell, ChainItem, Lane, Mono, TableKind, Val};

/// Monomial of element `index`, up to the factor that [`scale`] gives: `u^(-word) 256^(-bytes * position)`.
fn monomial(packing: &Packing, index: usize) -> Mono {
    let (word, position) = (index / packing.per_word(), index % packing.per_word());
    Mono::position(-(word as i64)) * Mono::byte(-(i64::from(packing.bytes) * position as i64))
}

/// Weight of the first element of a word.
const fn scale(packing: &Packing) -> Mono {
    Mono::byte(packing.bytes as i64 * (packing.per_word() as i64 - 1))
}

impl Compiler<'_> {
    fn codec_tag(&mut self, packing: &Packing) -> u64 {
        self.builder.table.tag(TableKind::Codec { range: packing.range, bytes: packing.bytes })
    }

    /// Rows of the input tensor; returns its packed words as a polynomial.
    pub(super) fn input(&mut self, packing: Packing) -> Val {
        let tag = self.codec_tag(&packing);
        let native = self.forms.native(0);
        let order = native.map_or_else(|| (0..packing.elements).collect(), |n| n.order());
        let items: Vec<_> = order
            .into_iter()
            .map(|index| {
                let item = ChainItem {
                    tag,
                    kappa: Builder::idle_kappa(),
                    lane: Lane::Encoded { node: 0, index, bytes: packing.bytes },
                    y_copy: None,
                    x: native.and_then(|n| n.place(index)),
                    y: Some(monomial(&packing, index)),
                };
                (Some(index), item)
            })
            .collect();
        let packed = self.emit_tensor(0, &items).expect("a producer chain");
        self.copied_forms(0);
        Val { mono: packed.mono * scale(&packing), ..packed }
    }

    /// Rows that encode the output, and the equality with the instance.
    pub(super) fn output(&mut self, instance: Val, packed_input: Val, input: Packing, output: Packing) {
        let id = self.architecture.output;
        let tag = self.codec_tag(&output);
        let items: Vec<_> = (0..output.elements)
            .map(|index| ChainItem {
                tag,
                kappa: Builder::idle_kappa(),
                lane: Lane::Encoded { node: id, index, bytes: output.bytes },
                y_copy: Some(self.tensors[id][index]),
                x: None,
                y: Some(monomial(&output, index)),
            })
            .collect();
        let packed = self.builder.chain(&items).y.expect("a producer chain");
        let offset = Mono::position(-(input.words() as i64));
        let packed = Val { mono: packed.mono * scale(&output) * offset, ..packed };
        let one = self.builder.constant(1);
        let sum: Cell = self.builder.absolute(packed_input);
        let sum = self.builder.accumulate(packed, one, sum);
        let instance = self.builder.absolute(instance);
        self.builder.assert_equal(sum, instance);
    }
}
