// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IInferenceVerifier} from "../IInferenceVerifier.sol";
import {IModelKeys} from "../IModelKeys.sol";
import {InferenceChain} from "../InferenceChain.sol";
import {ModelRegistry} from "../ModelRegistry.sol";
import {MockVerifier} from "./MockVerifier.sol";
import {Test} from "./Vm.sol";

/// @title Tests of the registry
contract ModelRegistryTest is Test {
    address private constant ALICE = address(0xa11ce);
    address private constant MALLORY = address(0xbad);
    bytes private constant KEY = "key of the first version";

    MockVerifier private _verifier;
    ModelRegistry private _registry;

    /// @notice A registry on a mock verifier.
    function setUp() external {
        _verifier = new MockVerifier();
        _registry = new ModelRegistry(_verifier);
        vm.warp(1000);
    }

    /// @notice The verifier must be a contract.
    function test_constructor_refusesAVerifierWithoutCode() external {
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NoVerifier.selector, ALICE));
        new ModelRegistry(IModelKeys(ALICE));
        eq(address(_registry.verifier()), address(_verifier));
    }

    /// @notice The id is the verifier's, the key is stored, and the entry is as given.
    function test_register_makesAnEntry() external {
        bytes32 expected = _verifier.idOf(KEY);
        vm.expectEmit(address(_registry));
        emit ModelRegistry.Registered(ALICE, expected, "digits");
        vm.prank(ALICE);
        bytes32 id = _registry.register(KEY, "digits");
        eq(id, expected);
        eq(_verifier.keyPointer(id), address(_verifier));
        _check(ALICE, id, ModelRegistry.Entry("digits", 0, 0, 1000, false));
        eq(_registry.latest(ALICE, id), id);
        no(_registry.isDeprecated(ALICE, id));
        yes(_registry.isRegistered(ALICE, id));
    }

    /// @notice A key that somebody has stored already can be registered.
    function test_register_takesAStoredKey() external {
        _verifier.storeKey(KEY);
        _register(ALICE, KEY);
    }

    /// @notice A key that the verifier refuses is no model: its error comes through.
    function test_register_refusesABadKey() external {
        vm.expectRevert(abi.encodeWithSelector(MockVerifier.MockBadKey.selector));
        _registry.register("", "digits");
        bytes32 id = _register(address(this), KEY);
        vm.expectRevert(abi.encodeWithSelector(MockVerifier.MockBadKey.selector));
        _registry.registerVersion("", id);
    }

    /// @notice A name has 1 to 64 bytes.
    function test_register_boundsTheName() external {
        string memory longest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.InvalidName.selector, 0));
        _registry.register(KEY, "");
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.InvalidName.selector, 65));
        _registry.register(KEY, string.concat(longest, "0"));
        bytes32 id = _registry.register(KEY, longest);
        eq(_registry.entry(address(this), id).name, longest);
        id = _registry.register("another", "x");
        eq(_registry.entry(address(this), id).name, "x");
    }

    /// @notice The same owner cannot register a model twice, neither as a line nor as a version.
    function test_register_refusesTheSameModelTwice() external {
        bytes32 id = _register(ALICE, KEY);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.AlreadyRegistered.selector, ALICE, id));
        _registry.register(KEY, "another name");
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.AlreadyRegistered.selector, ALICE, id));
        _registry.registerVersion(KEY, id);
        _check(ALICE, id, ModelRegistry.Entry("digits", 0, 0, 1000, false));
    }

    /// @notice Whoever registers a model first takes nothing from anyone else.
    function test_register_cannotBeSquatted() external {
        vm.prank(MALLORY);
        bytes32 id = _registry.register(KEY, "mine");
        vm.warp(2000);
        eq(_register(ALICE, KEY), id);
        vm.prank(MALLORY);
        _registry.deprecate(id);
        vm.prank(MALLORY);
        _registry.registerVersion("a worse one", id);
        _check(ALICE, id, ModelRegistry.Entry("digits", 0, 0, 2000, false));
        eq(_registry.latest(ALICE, id), id);
        eq(_registry.entry(MALLORY, id).name, "mine");
    }

    /// @notice Nobody can deprecate or continue another's model.
    function test_entries_belongToTheirOwner() external {
        bytes32 id = _register(ALICE, KEY);
        vm.prank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotRegistered.selector, MALLORY, id));
        _registry.deprecate(id);
        vm.prank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotRegistered.selector, MALLORY, id));
        _registry.registerVersion("a worse one", id);
        no(_registry.isRegistered(MALLORY, id));
    }

    /// @notice Views of entries that are not there revert by name, those for zero too.
    function test_views_refuseWhatIsNotRegistered() external {
        bytes32[2] memory ids = [bytes32(0), "nothing"];
        for (uint256 i = 0; i < ids.length; i++) {
            bytes memory data = abi.encodeWithSelector(ModelRegistry.NotRegistered.selector, ALICE, ids[i]);
            no(_registry.isRegistered(ALICE, ids[i]));
            vm.expectRevert(data);
            _registry.entry(ALICE, ids[i]);
            vm.expectRevert(data);
            _registry.latest(ALICE, ids[i]);
            vm.expectRevert(data);
            _registry.isDeprecated(ALICE, ids[i]);
            vm.expectRevert(data);
            vm.prank(ALICE);
            _registry.deprecate(ids[i]);
            vm.expectRevert(data);
            vm.prank(ALICE);
            _registry.registerVersion(KEY, ids[i]);
        }
    }

    /// @notice Versions are linked both ways, keep the name, and each one finds the latest.
    function test_registerVersion_linksTheVersions() external {
        bytes32[3] memory ids;
        ids[0] = _register(ALICE, KEY);
        for (uint256 i = 1; i < 3; i++) {
            vm.warp(1000 + i);
            bytes memory key = abi.encode("version", i);
            ids[i] = _verifier.idOf(key);
            vm.expectEmit(address(_registry));
            emit ModelRegistry.VersionRegistered(ALICE, ids[i], ids[i - 1]);
            vm.prank(ALICE);
            eq(_registry.registerVersion(key, ids[i - 1]), ids[i]);
            eq(_verifier.keyPointer(ids[i]), address(_verifier));
        }
        _check(ALICE, ids[0], ModelRegistry.Entry("digits", 0, ids[1], 1000, false));
        _check(ALICE, ids[1], ModelRegistry.Entry("digits", ids[0], ids[2], 1001, false));
        _check(ALICE, ids[2], ModelRegistry.Entry("digits", ids[1], 0, 1002, false));
        for (uint256 i = 0; i < 3; i++) {
            eq(_registry.latest(ALICE, ids[i]), ids[2]);
        }
    }

    /// @notice A line does not fork: only its latest version can have a next one.
    function test_registerVersion_refusesToFork() external {
        bytes32 first = _register(ALICE, KEY);
        vm.prank(ALICE);
        bytes32 second = _registry.registerVersion("second", first);
        vm.prank(ALICE);
        bytes32 third = _registry.registerVersion("third", second);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotLatest.selector, first, third));
        _registry.registerVersion("fourth", first);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotLatest.selector, second, third));
        _registry.registerVersion("fourth", second);
        eq(_registry.latest(ALICE, first), third);
    }

    /// @notice Two lines do not merge, and do not know of each other.
    function test_registerVersion_refusesToMerge() external {
        bytes32 first = _register(ALICE, KEY);
        bytes32 other = _register(ALICE, "other");
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.AlreadyRegistered.selector, ALICE, other));
        _registry.registerVersion("other", first);
        eq(_registry.latest(ALICE, first), first);
        eq(_registry.latest(ALICE, other), other);
    }

    /// @notice Deprecation is for one version, once, and does not stop the line.
    function test_deprecate_flagsOneVersionForGood() external {
        bytes32 first = _register(ALICE, KEY);
        vm.expectEmit(address(_registry));
        emit ModelRegistry.Deprecated(ALICE, first);
        vm.prank(ALICE);
        _registry.deprecate(first);
        yes(_registry.isDeprecated(ALICE, first));
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.AlreadyDeprecated.selector, first));
        _registry.deprecate(first);
        vm.prank(ALICE);
        bytes32 second = _registry.registerVersion("second", first);
        _check(ALICE, first, ModelRegistry.Entry("digits", 0, second, 1000, true));
        no(_registry.isDeprecated(ALICE, second));
        eq(_registry.latest(ALICE, first), second);
    }

    /// @notice A chain's id is computed from its models', and its entry is as given.
    function test_registerChain_makesAnEntry() external {
        bytes32[] memory models = _models(3);
        bytes memory ids = abi.encodePacked(models[0], models[1], models[2]);
        bytes32 expected = keccak256(abi.encodePacked("inferproof/chain/1", uint32(3), ids));
        vm.expectEmit(address(_registry));
        emit ModelRegistry.Registered(ALICE, expected, "digits");
        vm.prank(ALICE);
        bytes32 id = _registry.registerChain(models, "digits");
        eq(id, expected);
        _check(ALICE, id, ModelRegistry.Entry("digits", 0, 0, 1000, false));
        eq(_registry.latest(ALICE, id), id);
        no(_registry.isDeprecated(ALICE, id));
        yes(_registry.isRegistered(ALICE, id));
        // The segments are no entries, and nobody else has this one.
        for (uint256 i = 0; i < 3; i++) {
            no(_registry.isRegistered(ALICE, models[i]));
        }
        no(_registry.isRegistered(MALLORY, id));
        vm.prank(ALICE);
        _registry.deprecate(id);
        yes(_registry.isDeprecated(ALICE, id));
    }

    /// @notice A chain of one segment is not its model: both can be registered.
    function test_registerChain_isNotTheModel() external {
        bytes32[] memory models = _models(1);
        bytes32 model = _register(ALICE, _segment(0));
        eq(model, models[0]);
        bytes32 id = _registerChain(ALICE, models);
        no(id == model);
        eq(_registry.latest(ALICE, id), id);
        eq(_registry.latest(ALICE, model), model);
    }

    /// @notice The name of a chain has 1 to 64 bytes too.
    function test_registerChain_boundsTheName() external {
        string memory longest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        bytes32[] memory models = _models(2);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.InvalidName.selector, 0));
        _registry.registerChain(models, "");
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.InvalidName.selector, 65));
        _registry.registerChain(models, string.concat(longest, "0"));
        bytes32 id = _registry.registerChain(models, longest);
        eq(_registry.entry(address(this), id).name, longest);
        id = _registry.registerChain(_models(3), "x");
        eq(_registry.entry(address(this), id).name, "x");
    }

    /// @notice The same owner cannot register a chain twice, neither as a line nor as a version; another owner can.
    function test_registerChain_refusesTheSameChainTwice() external {
        bytes32[] memory models = _models(2);
        bytes32 id = _registerChain(ALICE, models);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.AlreadyRegistered.selector, ALICE, id));
        _registry.registerChain(models, "another name");
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.AlreadyRegistered.selector, ALICE, id));
        _registry.registerChainVersion(models, id);
        _check(ALICE, id, ModelRegistry.Entry("digits", 0, 0, 1000, false));
        eq(_registerChain(MALLORY, models), id);
    }

    /// @notice Segments that do not make a network are no chain: what is wrong comes through.
    function test_registerChain_refusesSegmentsThatDoNotFit() external {
        bytes32 id = _registerChain(address(this), _models(2));
        bytes32[] memory models = _models(3);
        _refuseChain(new bytes32[](0), id, abi.encodeWithSelector(InferenceChain.EmptyChain.selector));
        _verifier.setHeaders(models[2], "another", 0);
        _refuseChain(models, id, abi.encodeWithSelector(InferenceChain.UnfitSegments.selector, 1));
        _verifier.setHeaders(models[0], 0, 0);
        _refuseChain(models, id, abi.encodeWithSelector(InferenceChain.UnfitSegments.selector, 0));
        models = _models(3);
        (models[0], models[1]) = (models[1], models[0]);
        _refuseChain(models, id, abi.encodeWithSelector(InferenceChain.UnfitSegments.selector, 0));
    }

    /// @notice Nor are segments whose keys nobody stored, a single one neither.
    function test_registerChain_refusesAModelThatIsNotStored() external {
        bytes32 id = _registerChain(address(this), _models(2));
        bytes memory reason = abi.encodeWithSelector(IInferenceVerifier.ModelNotStored.selector, bytes32("nothing"));
        for (uint256 segments = 1; segments <= 3; segments++) {
            for (uint256 i = 0; i < segments; i++) {
                bytes32[] memory models = _models(segments);
                models[i] = "nothing";
                _refuseChain(models, id, reason);
            }
        }
    }

    /// @notice Nobody can continue another's chain.
    function test_registerChainVersion_belongsToTheOwner() external {
        bytes32 id = _registerChain(ALICE, _models(2));
        bytes32[] memory models = _models(3);
        vm.prank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotRegistered.selector, MALLORY, id));
        _registry.registerChainVersion(models, id);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotRegistered.selector, ALICE, models[0]));
        _registry.registerChainVersion(models, models[0]);
    }

    /// @notice A line may go on from a model to a chain and back.
    function test_registerChainVersion_mixesWithModels() external {
        bytes32[4] memory ids;
        ids[0] = _register(ALICE, KEY);
        bytes32[] memory models = _models(2);
        ids[1] = InferenceChain.id(models);
        vm.warp(1001);
        vm.expectEmit(address(_registry));
        emit ModelRegistry.VersionRegistered(ALICE, ids[1], ids[0]);
        vm.prank(ALICE);
        eq(_registry.registerChainVersion(models, ids[0]), ids[1]);
        vm.warp(1002);
        vm.prank(ALICE);
        ids[2] = _registry.registerVersion("a model again", ids[1]);
        vm.warp(1003);
        models = _models(3);
        vm.prank(ALICE);
        ids[3] = _registry.registerChainVersion(models, ids[2]);
        eq(ids[3], InferenceChain.id(models));
        for (uint256 i = 0; i < 4; i++) {
            (bytes32 previous, bytes32 next) = (i == 0 ? bytes32(0) : ids[i - 1], i == 3 ? bytes32(0) : ids[i + 1]);
            _check(ALICE, ids[i], ModelRegistry.Entry("digits", previous, next, uint64(1000 + i), false));
            eq(_registry.latest(ALICE, ids[i]), ids[3]);
        }
    }

    /// @notice Chains do not let a line fork or merge either.
    function test_registerChainVersion_refusesToForkOrMerge() external {
        bytes32 first = _registerChain(ALICE, _models(1));
        bytes32[] memory models = _models(2);
        vm.prank(ALICE);
        bytes32 second = _registry.registerChainVersion(models, first);
        models = _models(3);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotLatest.selector, first, second));
        _registry.registerChainVersion(models, first);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotLatest.selector, first, second));
        _registry.registerVersion(KEY, first);
        bytes32 other = _registerChain(ALICE, models);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.AlreadyRegistered.selector, ALICE, other));
        _registry.registerChainVersion(models, second);
        eq(_registry.latest(ALICE, first), second);
        eq(_registry.latest(ALICE, other), other);
    }

    /// @dev Stored models of segments that fit together.
    function _models(uint256 segments) private returns (bytes32[] memory models) {
        models = new bytes32[](segments);
        for (uint256 i = 0; i < segments; i++) {
            models[i] = _verifier.storeKey(_segment(i));
            bytes32 input = i == 0 ? bytes32(0) : keccak256(abi.encode(i));
            _verifier.setHeaders(models[i], input, keccak256(abi.encode(i + 1)));
        }
    }

    function _segment(uint256 index) private pure returns (bytes memory) {
        return abi.encode("segment", index);
    }

    /// @dev Registers a chain of `owner` as "digits".
    function _registerChain(address owner, bytes32[] memory models) private returns (bytes32) {
        vm.prank(owner);
        return _registry.registerChain(models, "digits");
    }

    /// @dev Fails unless a chain is refused with exactly this error, as a line and as a version.
    function _refuseChain(bytes32[] memory models, bytes32 previous, bytes memory reason) private {
        vm.expectRevert(reason);
        _registry.registerChain(models, "digits");
        vm.expectRevert(reason);
        _registry.registerChainVersion(models, previous);
        eq(_registry.latest(address(this), previous), previous);
    }

    /// @dev Registers a key of `owner` as "digits".
    function _register(address owner, bytes memory key) private returns (bytes32) {
        vm.prank(owner);
        return _registry.register(key, "digits");
    }

    /// @dev Fails unless the entry is as expected.
    function _check(address owner, bytes32 id, ModelRegistry.Entry memory expected) private view {
        eq(keccak256(abi.encode(_registry.entry(owner, id))), keccak256(abi.encode(expected)));
    }
}
