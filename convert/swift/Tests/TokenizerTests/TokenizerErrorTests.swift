import Foundation
import Testing

@testable import TextClassifierKit

/// No metadata trap; what cannot be used is named.
struct TokenizerErrorTests {
    private let metadata = Metadata.wordPieces(
        ["a", "##b"], added: Metadata.added(4, "a", "lstrip"))
    private let rulesKey = "mlx_finbert.tokenizer"

    private func error(_ metadata: [String: String]) -> TokenizerError? {
        do throws(TokenizerError) {
            _ = try Tokenizer(metadata: metadata)
            return nil
        } catch {
            return error
        }
    }

    private func error(replacing old: String, with new: String) -> TokenizerError? {
        var changed = metadata
        changed[rulesKey] = metadata[rulesKey]?.replacingOccurrences(of: old, with: new)
        return error(changed)
    }

    @Test func missingMetadata() {
        for key in [rulesKey, "mlx_finbert.vocabulary"] {
            #expect(error(metadata.filter { $0.key != key }) == .missingMetadata(key: key))
        }
        #expect(error(metadata) == nil)
    }

    @Test(arguments: ["", "{", "[]", "7", "null", "\u{FFFD}", "{} x", "{\"\u{6}\": 1}"])
    func rulesThatAreNoJSONObject(json: String) {
        var changed = metadata
        changed[rulesKey] = json
        #expect(error(changed) == .unreadableRules)
    }

    @Test func rulesThatAreMissingOrInvalid() {
        #expect(error(replacing: "\"lowercase\"", with: "\"x\"") == .missingRule(path: "lowercase"))
        #expect(
            error(replacing: "\"lstrip\"", with: "\"x\"")
                == .missingRule(path: "added_tokens.0.lstrip"))
        #expect(
            error(replacing: "\"cls\"", with: "\"x\"") == .missingRule(path: "special_tokens.cls"))
        #expect(
            error(replacing: "\"lstrip\": true", with: "\"lstrip\": 1")
                == .invalidRule(path: "added_tokens.0.lstrip"))
        #expect(
            error(replacing: "word\": 100", with: "word\": 1e30")
                == .invalidRule(path: "max_input_chars_per_word"))
        #expect(error(replacing: "wordpiece", with: "unigram") == .unknownKind("unigram"))
    }

    @Test(arguments: [-1, 6, Int(Int32.max)])
    func idsWithoutAToken(id: Int) {
        for old in ["\"id\": 0", "\"id\": 1", "\"id\": 3", "\"id\": 4"] {
            #expect(error(replacing: old, with: "\"id\": \(id)") == .unknownID(Int32(id)))
        }
        let tooLarge = error(replacing: "\"cls\": {\"id\": 2", with: "\"cls\": {\"id\": 4294967296")
        #expect(tooLarge == .invalidRule(path: "special_tokens.cls.id"))
    }

    @Test func vocabulariesThatMissSomething() {
        var pairs = Metadata.bytePairs(["a b"])
        pairs["mlx_finbert.merges"] = "a b\nb c"
        #expect(error(pairs) == .unknownMerge(line: 2))
        for line in ["a", "a b c", "", " ", "a  b"] {
            pairs["mlx_finbert.merges"] = "a b\n\(line)\na b"
            #expect(error(pairs) == .unknownMerge(line: 2))
        }
        pairs["mlx_finbert.merges"] = nil
        #expect(error(pairs) == nil)
        pairs["mlx_finbert.vocabulary"] = pairs["mlx_finbert.vocabulary"]?
            .replacingOccurrences(of: "\nA\n", with: "\n\n")
        #expect(error(pairs) == .missingByte(UInt8(ascii: "A")))
    }

    @Test func strangeRulesThatAreNoError() throws {
        let strange = Metadata.wordPieces(
            ["a", "##", "a"],
            rules: ["max_input_chars_per_word": "-1", "continuing_subword_prefix": "\"\""],
            added: [Metadata.added(4, ""), Metadata.added(5, "\\u00ad", "normalized")].joined(
                separator: ","))
        #expect(try Tokenizer(metadata: strange).pieces(of: "aa \u{AD}") == [1])
    }

    @Test func descriptionsSayWhatToDo() {
        let description = TokenizerError.missingRule(path: "added_tokens.0.lstrip")
            .localizedDescription
        #expect(
            description
                == "The model's metadata do not describe a tokenizer: mlx_finbert.tokenizer has"
                + " no added_tokens.0.lstrip. Export the model again.")
    }
}
