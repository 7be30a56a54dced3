import Foundation
import TextClassifierKit

/// The columns that scoring adds to a table: those of `python -m mlx_finbert.predict`.
struct ScoredTable {
    let labels: [String]
    /// For each row; nil for a blank text, whose new cells are empty.
    let results: [Classification?]

    /// The table with `predicted_label`, one `probability_LABEL` a label and, where labels are
    /// sentiments, `score`.
    func added(to table: CSV) -> CSV {
        var scored = table
        scored.header += names
        for (i, result) in results.enumerated() { scored.rows[i] += cells(of: result) }
        return scored
    }

    private var hasScore: Bool { results.contains { $0?.score != nil } }

    private var names: [String] {
        ["predicted_label"] + labels.map { "probability_\($0)" } + (hasScore ? ["score"] : [])
    }

    private func cells(of result: Classification?) -> [String] {
        guard let result else { return names.map { _ in "" } }
        let probabilities = labels.map { rounded(result.probabilities[$0] ?? 0) }
        return [result.label] + probabilities + (hasScore ? [result.score.map(rounded) ?? ""] : [])
    }

    /// Six digits, as a model's numbers have no more.
    private func rounded(_ value: Double) -> String {
        let rounded = (value * 1e6).rounded() / 1e6
        // Without the sign of a negative zero.
        return "\(rounded == 0 ? 0 : rounded)"
    }
}

extension CSV {
    /// Usual names of a column with texts, the best first.
    private static let textNames = [
        "text", "sentence", "headline", "title", "body", "content", "message", "review", "comment",
        "tweet", "news", "summary",
    ]
    /// Rows that are read to find the column with the longest texts.
    private static let sample = 100

    /// The column that holds the texts, as far as names and lengths say.
    var likelyTextColumn: Int {
        let names = header.map { $0.lowercased() }
        if let named = CSV.textNames.lazy.compactMap(names.firstIndex).first { return named }
        let lengths = header.indices.map { i in
            rows.prefix(CSV.sample).reduce(0) { $0 + $1[i].utf8.count }
        }
        return header.indices.max { lengths[$0] < lengths[$1] } ?? 0
    }
}
