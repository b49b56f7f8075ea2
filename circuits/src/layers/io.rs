//! Public input and output: packed words.
//!
//! Spec: `docs/spec/machine.md#public-tensors`.

use super::Compiler;
use crate::error::CompileError;
use crate::packing::Packing;
use crate::program::{Builder, Cell, ChainItem, Lane, Mono, Val};

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
    /// Rows of the input tensor; returns its packed words as a polynomial.
    ///
    /// The words are a chain over `y`, and any table with the right outputs will do. Where a layer needs that chain
    /// for a form of the input, they are one over `F`, and the table must be the identity.
    ///
    /// # Errors
    /// More rows than any program may have.
    pub(super) fn input(&mut self, packing: &Packing) -> Result<Cell, CompileError> {
        let native = self.forms.native(0);
        let (tag, lo) = match native {
            Some(_) => (self.identity_tag(packing.range), packing.range.lo),
            None => self.value_tag(packing.range),
        };
        let order = native.map_or_else(|| (0..packing.elements).collect(), |n| n.order());
        let items: Vec<_> = order
            .into_iter()
            .map(|index| {
                let place = monomial(packing, index);
                let item = ChainItem {
                    tag,
                    kappa: Builder::idle_kappa(),
                    lane: Lane::Value { node: 0, index, lo },
                    y_copy: None,
                    x: native.map_or(Some((0, place)), |n| n.place(index)),
                    y: native.map(|_| place),
                };
                (Some(index), item)
            })
            .collect();
        let values = self.emit_tensor(0, &items);
        self.copied_forms(0)?;
        let packed = if native.is_some() { values.y.expect("a producer chain") } else { values.x[&0] };
        let packed = self.builder.absolute(Val { mono: packed.mono * scale(packing), ..packed });
        if native.is_none() || lo == 0 {
            return Ok(packed);
        }
        // `F` is the value less `lo`.
        let (ones, lo) = (self.ones(packing), self.builder.constant(lo));
        Ok(self.builder.fma(ones, lo, packed))
    }

    /// The packed words of a tensor whose elements are all 1.
    fn ones(&mut self, packing: &Packing) -> Cell {
        let (words, rest) = (packing.elements / packing.per_word(), packing.elements % packing.per_word());
        let radix = Mono::byte(i64::from(packing.bytes));
        let mut sum = Builder::zero();
        if words > 0 {
            let word = self.builder.geometric(radix, packing.per_word());
            let places = self.builder.geometric(Mono::position(-1), words);
            sum = self.builder.multiply(word, places);
        }
        if rest > 0 {
            let word = self.builder.geometric(radix, rest);
            let place = Mono::position(-(words as i64)) * radix.pow((packing.per_word() - rest) as i64);
            let place = self.builder.mono(place);
            sum = self.builder.fma(word, place, sum);
        }
        sum
    }

    /// Rows that pack the output, and the equality with the instance.
    pub(super) fn output(&mut self, instance: Val, packed_input: Cell, input: &Packing, output: &Packing) {
        let id = self.architecture.output;
        let (tag, lo) = self.value_tag(output.range);
        let items: Vec<_> = (0..output.elements)
            .map(|index| ChainItem {
                tag,
                kappa: Builder::idle_kappa(),
                lane: Lane::Value { node: id, index, lo },
                y_copy: Some(self.tensors[id][index]),
                x: Some((0, monomial(output, index))),
                y: None,
            })
            .collect();
        let packed = self.builder.chain(&items).x[&0];
        let offset = Mono::position(-(input.words() as i64));
        let packed = Val { mono: packed.mono * scale(output) * offset, ..packed };
        let one = self.builder.constant(1);
        let sum = self.builder.accumulate(packed, one, packed_input);
        let instance = self.builder.absolute(instance);
        self.builder.assert_equal(sum, instance);
    }
}
