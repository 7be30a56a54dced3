import Foundation
import TextClassifierKit

/// A classifier that the app can load: the models of one export.
public struct ModelChoice: Identifiable, Hashable, Sendable {
    /// The export's name: `FinBERT` for `FinBERT-32.mlpackage` and `FinBERT-64.mlpackage`.
    public let name: String
    /// Its packages, compiled by Xcode or not: one for each length, or one for all. Or its asset.
    public let models: [URL]
    /// The export's golden.json, for the check.
    public let golden: URL?

    /// The place of the first model.
    public var id: URL { models.first ?? URL(fileURLWithPath: name) }

    /// Makes a choice.
    public init(name: String, models: [URL], golden: URL?) {
        self.name = name
        self.models = models
        self.golden = golden
    }

    /// The exports in a folder, such as a bundle's resources, by name.
    public static func found(in folder: URL) -> [ModelChoice] {
        let manager = FileManager.default
        let files = try? manager.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        return found(among: files ?? [])
    }

    /// The exports among files, by name. Where a package is there twice, the one that Xcode has
    /// compiled is taken. An asset of Core AI is a choice of its own.
    static func found(among files: [URL]) -> [ModelChoice] {
        var packages: [String: URL] = [:]
        for file in files where isModel(file) && ModelKind(of: file) != .asset {
            let stem = file.deletingPathExtension().lastPathComponent
            if packages[stem].flatMap(ModelKind.init(of:)) != .compiled { packages[stem] = file }
        }
        let golden = files.first { $0.lastPathComponent == "golden.json" }
        let exports = Dictionary(grouping: packages.keys, by: exportName).map { name, stems in
            ModelChoice(
                name: name, models: stems.sorted().compactMap { packages[$0] }, golden: golden)
        }
        let taken = Set(exports.map(\.name))
        let assets = files.filter { ModelKind(of: $0) == .asset }.map { file in
            let stem = file.deletingPathExtension().lastPathComponent
            let name = taken.contains(stem) ? "\(stem) (Core AI)" : stem
            return ModelChoice(name: name, models: [file], golden: golden)
        }
        return (exports + assets).sorted { $0.name < $1.name }
    }

    static func isModel(_ file: URL) -> Bool { ModelKind(of: file) != nil }

    /// The exports in the app itself, and those in the package.
    public static var bundled: [ModelChoice] {
        [Bundle.main, .textClassifierKit].compactMap(\.resourceURL).flatMap(found(in:))
    }

    /// The name without the length: `FinBERT-32` and `FinBERT` are of `FinBERT`.
    private static func exportName(of stem: String) -> String {
        let parts = stem.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard parts.count > 1, let length = parts.last, !length.isEmpty,
            length.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return stem }
        return String(decoding: stem.utf8.dropLast(length.count + 1), as: UTF8.self)
    }
}
