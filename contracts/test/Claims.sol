// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IInferenceVerifier, Inference} from "../IInferenceVerifier.sol";
import {InferenceVerifier} from "../InferenceVerifier.sol";
import {MACHINE_VERSION, PROOF_TAG} from "../MachineShape.sol";
import {Test} from "./Vm.sol";

/// @notice A model's key and an inference that it proves.
struct Claim {
    bytes key;
    Inference inference;
}

/// @title What tests of the verifier share: claims that the program proved, and ways to spoil them
abstract contract Claims is Test {
    /// @notice The file is of another version of the machine.
    error FixtureIsOfAnotherMachine(string remedy);

    string internal constant FILE = "test/fixtures/digits_mlp.json";
    /// @dev The fields of the curve.
    uint256 internal constant FR = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    uint256 internal constant FQ = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
    /// @dev More than a call may ever burn on a claim about the small models here, whatever is wrong with it.
    uint256 internal constant MOST_GAS = 480_000;

    InferenceVerifier internal verifier;

    /// @dev Deploys the verifier for the SRS of the file, and stores the keys of the claims.
    function deploy() internal {
        bytes memory key = bytesOf(".secret.key");
        bool current = bytes4(sliced(bytesOf(".secret.proof"), 0, 4)) == PROOF_TAG
            && uint16(bytes2(sliced(key, 20, 22))) == MACHINE_VERSION;
        if (!current) revert FixtureIsOfAnotherMachine("npm run fixture writes another");
        verifier = new InferenceVerifier(bytesOf(".srs"));
    }

    /// @dev A field of the file.
    function bytesOf(string memory path) internal view returns (bytes memory) {
        return vm.parseJsonBytes(vm.readFile(FILE), path);
    }

    /// @dev A claim of the file: secret, public or wide.
    function load(string memory name) internal view returns (Claim memory claim) {
        string memory path = string.concat(".", name);
        claim.key = bytesOf(string.concat(path, ".key"));
        claim.inference.modelId = bytes32(bytesOf(string.concat(path, ".modelId")));
        claim.inference.input = bytesOf(string.concat(path, ".input"));
        claim.inference.output = bytesOf(string.concat(path, ".output"));
        claim.inference.context = bytes32(bytesOf(string.concat(path, ".context")));
        claim.inference.proof = bytesOf(string.concat(path, ".proof"));
    }

    /// @dev As `load`, with the key stored.
    function stored(string memory name) internal returns (Inference memory) {
        Claim memory claim = load(name);
        eq(verifier.storeKey(claim.key), claim.inference.modelId);
        return claim.inference;
    }

    /// @dev Fails the test unless both functions accept the claim, at bounded cost.
    function accepted(Inference memory one) internal view {
        uint256 before = gasleft();
        verifier.verify(one.modelId, one.input, one.output, one.context, one.proof);
        yes(before - gasleft() < MOST_GAS);
        yes(verifier.tryVerify(one.modelId, one.input, one.output, one.context, one.proof));
    }

    /// @dev Fails the test unless both functions refuse the claim, with exactly this error, at bounded cost.
    function refused(Inference memory one, bytes memory reason) internal view {
        bytes memory call =
            abi.encodeCall(verifier.verify, (one.modelId, one.input, one.output, one.context, one.proof));
        uint256 before = gasleft();
        (bool ok, bytes memory data) = address(verifier).staticcall{gas: 2 * MOST_GAS}(call);
        yes(before - gasleft() < MOST_GAS);
        no(ok);
        eq(string(data), string(reason));
        no(verifier.tryVerify(one.modelId, one.input, one.output, one.context, one.proof));
    }

    /// @dev Fails the test unless the batch is refused with exactly this error.
    function refused(Inference[] memory batch, bytes memory reason) internal view {
        (bool ok, bytes memory data) = address(verifier).staticcall(abi.encodeCall(verifier.verifyBatch, (batch)));
        no(ok);
        eq(string(data), string(reason));
    }

    /// @dev A batch of two.
    function both(Inference memory one, Inference memory two) internal pure returns (Inference[] memory batch) {
        batch = new Inference[](2);
        (batch[0], batch[1]) = (one, two);
    }

    /// @dev The same claim in memory of its own.
    function copyOf(Inference memory one) internal pure returns (Inference memory) {
        return abi.decode(abi.encode(one), (Inference));
    }

    /// @dev Bytes from `start` to `end`.
    function sliced(bytes memory data, uint256 start, uint256 end) internal pure returns (bytes memory part) {
        part = new bytes(end - start);
        for (uint256 i = start; i < end; ++i) {
            part[i - start] = data[i];
        }
    }

    /// @dev A copy with `part` in place of what is at `at`.
    function spliced(bytes memory data, uint256 at, bytes memory part) internal pure returns (bytes memory copy) {
        copy = bytes.concat(data);
        for (uint256 i = 0; i < part.length; ++i) {
            copy[at + i] = part[i];
        }
    }

    /// @dev The word at `at`.
    function wordAt(bytes memory data, uint256 at) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 0x20), at))
        }
    }

    /// @dev A copy with another word at `at`.
    function spliced(bytes memory data, uint256 at, uint256 word) internal pure returns (bytes memory) {
        return spliced(data, at, abi.encode(word));
    }

    /// @dev `a^e` modulo the group order.
    function power(uint256 a, uint256 e) internal view returns (uint256) {
        (bool ok, bytes memory result) = address(5).staticcall(abi.encode(32, 32, 32, a, e, FR));
        yes(ok);
        return abi.decode(result, (uint256));
    }

    /// @dev A multiple of the generator.
    function times(uint256 scalar) internal view returns (bytes memory point) {
        bool ok;
        (ok, point) = address(7).staticcall(abi.encode(1, 2, scalar));
        yes(ok);
    }
}
