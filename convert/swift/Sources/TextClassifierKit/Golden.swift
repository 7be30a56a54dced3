import Foundation

/// `golden.json` of an export: texts with the token ids and probabilities that a device must get.
public struct Golden: Sendable, Hashable, Codable {
    /// One text.
    public struct Text: Sendable, Hashable, Codable {
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

        enum CodingKeys: String, CodingKey {
            case text, length, label, probabilities
            case inputIDs = "input_ids"
            case isTie = "is_tie"
        }
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
            self = try JSONDecoder().decode(Golden.self, from: Data(contentsOf: url))
        } catch {
            throw TextClassifierError.unreadableGolden(url, reason: error.localizedDescription)
        }
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
