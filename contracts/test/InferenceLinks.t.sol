// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IInferenceVerifier, Inference} from "../IInferenceVerifier.sol";
import {Forger, Forgery} from "./Forger.sol";
import {Keys} from "./Keys.sol";

/// @title Tests of committed, given and private tensors
/// @notice With claims that are accepted because whoever made them knows the secret of the SRS; see `Forger`.
contract InferenceLinksTest is Forger {
    /// @notice A proof has the length that follows from weights, input and output.
    function test_verify_refusesAProofOfAnotherLength() external view {
        for (uint256 i = 0; i < kinds(); ++i) {
            Forgery memory f = kind(i);
            Inference memory one = claimOf(f);
            uint256 expected = 2340 + (f.secret ? 128 : 0) + (isLinked(f) ? 96 : 0) + (isMasked(f) ? 64 : 0);
            eq(one.proof.length, expected);
            bytes memory longer = bytes.concat(one.proof, new bytes(224));
            uint256[8] memory changes = [uint256(0), 64, 96, 128, 223, 225, 288, 320];
            for (uint256 j = 0; j < changes.length; ++j) {
                uint256 length = expected - 224 + changes[j];
                one.proof = sliced(longer, 0, length);
                refused(one, _lengthError(IInferenceVerifier.InvalidProofLength.selector, expected, length));
            }
        }
    }

    /// @notice Of a committed tensor a claim has 64 bytes, of a private one none.
    function test_verify_refusesTensorsOfAnotherLength() external view {
        uint8[5] memory lengths = [0, 1, 63, 64, 65];
        for (uint256 i = 0; i < kinds(); ++i) {
            Forgery memory f = kind(i);
            Inference memory one = claimOf(f);
            (bytes memory input, bytes memory output) = (one.input, one.output);
            (uint256 inputs, uint256 outputs) = (_length(f.input), _length(f.output));
            eq(input.length, inputs);
            eq(output.length, outputs);
            for (uint256 j = 0; j < lengths.length; ++j) {
                (one.input, one.output) = (new bytes(lengths[j]), output);
                bytes4 error = IInferenceVerifier.InvalidInputLength.selector;
                if (lengths[j] != inputs) refused(one, _lengthError(error, inputs, lengths[j]));
                (one.input, one.output) = (input, new bytes(lengths[j]));
                error = IInferenceVerifier.InvalidOutputLength.selector;
                if (lengths[j] != outputs) refused(one, _lengthError(error, outputs, lengths[j]));
            }
        }
    }

    /// @notice Points of the link proof, of the mask and of the tensors are on the curve, reduced, and not at infinity.
    function test_verify_refusesBadPoints() external view {
        for (uint256 i = 0; i < kinds(); ++i) {
            Forgery memory f = kind(i);
            if (!isLinked(f)) continue;
            Inference memory one = claimOf(f);
            uint256 index = 21;
            _badPoints(one, one.proof, _linkAt(f) + 32, index++);
            if (isMasked(f)) _badPoints(one, one.proof, 4, index++);
            if (f.input == Keys.COMMITTED) _badPoints(one, one.input, 0, index++);
            if (one.output.length == 64) _badPoints(one, one.output, 0, index++);
            accepted(one);
        }
    }

    /// @notice What the link's polynomial is opened to is a reduced scalar.
    function test_verify_refusesBadScalars() external view {
        for (uint256 i = 0; i < kinds(); ++i) {
            Forgery memory f = kind(i);
            if (!isLinked(f)) continue;
            Inference memory one = claimOf(f);
            bytes memory proof = one.proof;
            uint256 value = wordAt(proof, _linkAt(f));
            uint256[3] memory bad = [FR, value + FR, type(uint256).max];
            for (uint256 j = 0; j < bad.length; ++j) {
                one.proof = spliced(proof, _linkAt(f), bad[j]);
                refused(one, abi.encodeWithSelector(IInferenceVerifier.InvalidScalar.selector, 35));
            }
            uint256[3] memory other = [0, value + 1, FR - 1];
            for (uint256 j = 0; j < other.length; ++j) {
                one.proof = spliced(proof, _linkAt(f), other[j]);
                refused(one, invalid());
            }
        }
    }

    /// @notice Another mask, another quotient and other commitments are refused.
    function test_verify_refusesOtherPoints() external view {
        for (uint256 i = 0; i < kinds(); ++i) {
            Forgery memory f = kind(i);
            if (!isLinked(f)) continue;
            Inference memory one = claimOf(f);
            (bytes memory input, bytes memory output, bytes memory proof) = (one.input, one.output, one.proof);
            one.proof = _opposite(proof, _linkAt(f) + 32);
            refused(one, invalid());
            if (isMasked(f)) {
                one.proof = _opposite(proof, 4);
                refused(one, invalid());
            }
            one.proof = proof;
            if (f.input == Keys.COMMITTED) {
                one.input = _opposite(input, 0);
                refused(one, invalid());
            }
            if (output.length != 64) continue;
            (one.input, one.output) = (input, _opposite(output, 0));
            refused(one, invalid());
            if (input.length != 64) continue;
            (one.input, one.output) = (output, input);
            refused(one, invalid());
            (one.input, one.output) = (input, input);
            refused(one, invalid());
        }
    }

    /// @notice Models that differ only in what is seen of their tensors do not share proofs.
    function test_verify_refusesAnotherInterface() external view {
        Inference[] memory claims = new Inference[](kinds());
        for (uint256 i = 0; i < kinds(); ++i) {
            claims[i] = claimOf(kind(i));
        }
        for (uint256 i = 0; i < kinds(); ++i) {
            for (uint256 j = 0; j < kinds(); ++j) {
                Inference memory one = claims[i];
                bytes32 other = claims[j].modelId;
                yes(verifier.tryVerify(other, one.input, one.output, one.context, one.proof) == (i == j));
            }
        }
    }

    function _badPoints(Inference memory one, bytes memory place, uint256 at, uint256 index) private view {
        bytes memory reason = abi.encodeWithSelector(IInferenceVerifier.InvalidPoint.selector, index);
        (uint256 x, uint256 y) = (wordAt(place, at), wordAt(place, at + 32));
        uint256[2][5] memory bad =
            [[uint256(0), 0], [x + FQ, y], [x, y + FQ], [addmod(x, 1, FQ), y], [x, addmod(y, 1, FQ)]];
        for (uint256 i = 0; i < bad.length; ++i) {
            _write(place, at, bad[i][0], bad[i][1]);
            refused(one, reason);
        }
        _write(place, at, x, y);
    }

    /// @dev Writes a point into the data itself.
    function _write(bytes memory data, uint256 at, uint256 x, uint256 y) private pure {
        assembly ("memory-safe") {
            mstore(add(add(data, 0x20), at), x)
            mstore(add(add(data, 0x40), at), y)
        }
    }

    /// @dev A copy with the opposite of the point at `at`.
    function _opposite(bytes memory data, uint256 at) private pure returns (bytes memory) {
        return spliced(data, at + 32, FQ - wordAt(data, at + 32));
    }

    /// @dev Where the link proof is: after the mask and the proof of public weights.
    function _linkAt(Forgery memory f) private pure returns (uint256) {
        return 2340 + (isMasked(f) ? 64 : 0);
    }

    /// @dev Bytes of a tensor of one element in a claim.
    function _length(uint8 visibility) private pure returns (uint256) {
        if (visibility == Keys.PUBLIC) return 1;
        return visibility == Keys.PRIVATE ? 0 : 64;
    }

    function _lengthError(bytes4 error, uint256 expected, uint256 got) private pure returns (bytes memory) {
        return abi.encodeWithSelector(error, expected, got);
    }
}
