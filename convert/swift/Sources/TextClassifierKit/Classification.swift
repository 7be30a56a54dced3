/// What a classifier says about a text.
public struct Classification: Sendable, Hashable, Codable {
    /// The most probable label.
    public let label: String
    /// The probability of each label; they sum to 1.
    public let probabilities: [String: Double]
    /// The sentiment from -1 to 1, such as P(positive) - P(negative); nil where the labels are not
    /// a scale of sentiments.
    public let score: Double?
    /// The number of tokens that the model read, with special tokens.
    public let tokens: Int
    /// Whether the text was longer than the model's longest row, and its end was not read.
    public let isTruncated: Bool

    /// Makes a classification, as previews and tests of an app need it.
    public init(
        label: String, probabilities: [String: Double], score: Double? = nil, tokens: Int = 0,
        isTruncated: Bool = false
    ) {
        self.label = label
        self.probabilities = probabilities
        self.score = score
        self.tokens = tokens
        self.isTruncated = isTruncated
    }
}

/// The labels of a model, in the order of its outputs, and their scale of sentiments.
struct LabelSet: Sendable {
    let names: [String]
    let scale: SentimentScale?

    init(_ names: [String]) {
        self.names = names
        scale = SentimentScale(names)
    }

    /// Names probabilities that are in the order of the labels.
    func classification(
        _ probabilities: [Double], tokens: Int, isTruncated: Bool
    ) -> Classification {
        Classification(
            label: label(of: probabilities), probabilities: named(probabilities),
            score: scale?.score(probabilities), tokens: tokens, isTruncated: isTruncated)
    }

    /// The most probable label; the first of several.
    func label(of probabilities: [Double]) -> String {
        let best = probabilities.indices.max { (a, b) in
            (probabilities[a], b) < (probabilities[b], a)
        }
        return best.map { names[$0] } ?? ""
    }

    func named(_ probabilities: [Double]) -> [String: Double] {
        Dictionary(zip(names, probabilities)) { first, _ in first }
    }

    /// The probabilities of a classification in the order of the labels.
    func ordered(_ probabilities: [String: Double]) -> [Double] {
        names.map { probabilities[$0] ?? 0 }
    }
}
