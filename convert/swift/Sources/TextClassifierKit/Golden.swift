import Foundation

/// `golden.json` of an export: texts with the token ids and probabilities that a device must get.
public struct Golden: Sendable, Hashable {
    /// One text.
    public struct Text: Sendable, Hashable {
        /// The text.
        public let text: String
        /// The shortest length of a model that holds its tokens, or the longest.
        public let length: Int
        /// Its token ids, with special tokens and without padding.
        public let inputIDs: [Int32]
        /// The most probable label.
        public let label: String
        /// Whether an error within the tolerance may give another label.
        public let isTie: Bool
        /// The probabilities, in the order of the labels.
        public let probabilities: [Double]
    }

    /// The labels of the model.
    public let labels: [String]
    /// The lengths of the export's models, ascending.
    public let lengths: [Int]
    /// The largest error of a probability that is allowed.
    public let tolerance: Double
    /// The texts.
    public let texts: [Text]

    /// Reads the file.
    public init(contentsOf url: URL) throws {
        do {
            let data = try Data(contentsOf: url)
            guard let golden = Golden(String(decoding: data, as: UTF8.self)) else {
                throw TextClassifierError.unreadableGolden(url, reason: "it is damaged")
            }
            self = golden
        } catch let error as TextClassifierError {
            throw error
        } catch {
            throw TextClassifierError.unreadableGolden(url, reason: error.localizedDescription)
        }
    }

    /// - Returns: nil if the text is not that of an export.
    init?(_ text: String) {
        guard let json = JSON(text), let labels = json["labels"]?.elements(\.text),
            let lengths = json["lengths"]?.elements(\.integer),
            let tolerance = json["tolerance"]?.finite,
            let texts = json["texts"]?.elements({ Text($0, labels: labels.count) })
        else { return nil }
        (self.labels, self.lengths) = (labels, lengths)
        (self.tolerance, self.texts) = (tolerance, texts)
    }

    /// The file next to a model; nil if there is none.
    init?(nextTo model: URL) throws {
        let url = model.deletingLastPathComponent().appendingPathComponent("golden.json")
        guard FileManager.default.fileExists(atPath: url.path) else { return nil }
        try self.init(contentsOf: url)
    }

    /// A few texts for models of this length: the longest that fit, and so the least padded.
    func texts(for length: Int, count: Int) -> [Text] {
        let fitting = texts.filter { $0.inputIDs.count <= length }
        return Array(fitting.sorted { $0.inputIDs.count > $1.inputIDs.count }.prefix(count))
    }
}

extension Golden.Text {
    fileprivate init?(_ json: JSON, labels: Int) {
        guard let text = json["text"]?.text, let length = json["length"]?.integer,
            let ids = json["input_ids"]?.elements({ $0.integer.flatMap { Int32(exactly: $0) } }),
            let label = json["label"]?.text, let isTie = json["is_tie"]?.flag,
            let probabilities = json["probabilities"]?.elements(\.finite),
            probabilities.count == labels
        else { return nil }
        self.init(
            text: text, length: length, inputIDs: ids, label: label, isTie: isTie,
            probabilities: probabilities)
    }
}
