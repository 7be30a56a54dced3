import Foundation

/// Metadata of small tokenizers, as a model has them.
enum Metadata {
    static let specialTokens =
        #""pad": {"id": 0}, "unk": {"id": 1}, "cls": {"id": 2}, "sep": {"id": 3}"#

    /// WordPiece with these pieces, with the ids from 4 on.
    static func wordPieces(
        _ pieces: [String], rules: [String: String] = [:], added: String = ""
    ) -> [String: String] {
        let standard = [
            "lowercase": "true", "strip_accents": "true", "clean_text": "true",
            "handle_chinese_chars": "true", "continuing_subword_prefix": "\"##\"",
            "max_input_chars_per_word": "100",
        ]
        let all = standard.merging(rules) { $1 }.map { #""\#($0)": \#($1)"# }.joined(
            separator: ", ")
        return [
            "mlx_finbert.tokenizer":
                #"{"kind": "wordpiece", \#(all), "special_tokens": {\#(specialTokens)}, "#
                + #""added_tokens": [\#(added)]}"#,
            "mlx_finbert.vocabulary":
                (["[PAD]", "[UNK]", "[CLS]", "[SEP]"] + pieces).map { $0 + "\n" }.joined(),
        ]
    }

    /// Byte pairs with these merges: a byte's id is 4 more, and the ids of merges start at 260.
    static func bytePairs(_ merges: [String]) -> [String: String] {
        let merged = merges.map { $0.replacingOccurrences(of: " ", with: "") }
        return [
            "mlx_finbert.tokenizer":
                #"{"kind": "byte_pair", "add_prefix_space": false, "#
                + #""special_tokens": {\#(specialTokens)}, "added_tokens": []}"#,
            "mlx_finbert.vocabulary":
                (["<pad>", "<unk>", "<s>", "</s>"] + letters + merged).map { $0 + "\n" }.joined(),
            "mlx_finbert.merges": merges.joined(separator: "\n"),
        ]
    }

    private static let letters: [String] = {
        let printed = (0..<256).filter { (33...126) ~= $0 || (161...172) ~= $0 || $0 >= 174 }
        let others = (0..<256).filter { !printed.contains($0) }
        return (0..<256).map { byte in
            let code = printed.contains(byte) ? byte : 256 + (others.firstIndex(of: byte) ?? 0)
            return Unicode.Scalar(UInt32(code)).map { String(Character($0)) } ?? ""
        }
    }()

    /// An added token as in the metadata; the flags that are named are on.
    static func added(_ id: Int, _ content: String, _ flags: String...) -> String {
        let all = ["single_word", "lstrip", "rstrip", "normalized", "special", "in_model"]
        let values = all.map { #""\#($0)": \#(flags.contains($0))"# }.joined(separator: ", ")
        return #"{"id": \#(id), "content": "\#(content)", \#(values)}"#
    }
}
