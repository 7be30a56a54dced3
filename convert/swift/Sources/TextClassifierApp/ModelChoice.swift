import Foundation

/// A classifier that the app can load: the packages of one export.
public struct ModelChoice: Identifiable, Hashable, Sendable {
    /// The export's name: `FinBERT` for `FinBERT-32.mlpackage` and `FinBERT-64.mlpackage`.
    public let name: String
    public let models: [URL]
    /// The export's golden.json, for the check.
    public let golden: URL?

    public var id: URL { models.first ?? URL(fileURLWithPath: name) }

    public init(name: String, models: [URL], golden: URL?) {
        self.name = name
        self.models = models
        self.golden = golden
    }

    /// The exports in a folder, such as a bundle's resources, by name.
    ///
    /// Where a model is there twice, the one that Xcode has compiled is taken.
    public static func found(in folder: URL) -> [ModelChoice] {
        let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
        let golden = files.first { $0.lastPathComponent == "golden.json" }
        var stems: [String: URL] = [:]
        for file in files where kinds.contains(file.pathExtension) {
            let stem = file.deletingPathExtension().lastPathComponent
            if stems[stem]?.pathExtension != "mlmodelc" { stems[stem] = file }
        }
        return Dictionary(grouping: stems.keys, by: exportName(of:)).sorted { $0.key < $1.key }
            .map { name, stems_ in
                ModelChoice(name: name, models: stems_.sorted().compactMap { stems[$0] }, golden: golden)
            }
    }

    private static let kinds = ["mlmodelc", "mlpackage"]

    /// The name without the length: `FinBERT-32` and `FinBERT` are of `FinBERT`.
    private static func exportName(of stem: String) -> String {
        let parts = stem.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard parts.count > 1, let length = parts.last, !length.isEmpty,
            length.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return stem }
        return String(decoding: stem.utf8.dropLast(length.count + 1), as: UTF8.self)
    }
}
