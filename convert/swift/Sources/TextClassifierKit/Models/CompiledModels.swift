@preconcurrency import CoreML
import CryptoKit
import Foundation

/// Loads models of Core ML, and keeps the compiled form of packages.
///
/// Xcode compiles the packages in an app. Those that an app downloads are compiled at run time,
/// which can take seconds: the result is kept under the package's hash, until loading it fails.
actor CompiledModels {
    private let folder: URL?
    private var compiled: [URL: Task<CompiledModel, any Error>] = [:]

    /// - Parameter folder: the folder of the compiled models; nil for one in Application Support.
    init(folder: URL?) {
        self.folder = folder
    }

    /// Loads a compiled model, or compiles a package first.
    func load(_ source: ModelSource, on computeUnits: ComputeUnits) async throws -> CoreMLModel {
        let configuration = ModelConfiguration(
            computeUnits: computeUnits, function: source.function)
        guard ModelKind(of: source.url) != .compiled else {
            return try await CoreMLModel(compiled: source.url, configuration: configuration)
        }
        return try await load(package: source.url, configuration)
    }

    private func load(
        package: URL, _ configuration: ModelConfiguration
    ) async throws -> CoreMLModel {
        let model = try await compiledModel(of: package)
        do {
            return try await CoreMLModel(compiled: model.url, configuration: configuration)
        } catch where model.isFromEarlier && !(error is TextClassifierError) {
            // A newer system may refuse what an older one compiled.
            let new = try await compiledModel(of: package, insteadOf: model)
            return try await CoreMLModel(compiled: new.url, configuration: configuration)
        }
    }

    /// The compiled form of a package, which is made once, whoever asks.
    private func compiledModel(
        of package: URL, insteadOf refused: CompiledModel? = nil
    ) async throws -> CompiledModel {
        while let task = compiled[package] {
            let model = try await task.value
            if model != refused { return model }
            // Unless someone else has begun to replace it meanwhile.
            if compiled[package] == task { break }
        }
        let folder = folder
        let task = Task {
            try await CompiledModel.make(of: package, in: folder, isRefused: refused != nil)
        }
        compiled[package] = task
        do {
            return try await task.value
        } catch {
            if compiled[package] == task { compiled[package] = nil }
            throw error
        }
    }
}

/// A compiled model on disk.
private struct CompiledModel: Sendable, Hashable {
    let url: URL
    /// Whether it was found, not made.
    let isFromEarlier: Bool

    /// Finds the compiled form of a package, or makes it.
    ///
    /// - Parameter isRefused: whether the one on disk, if any, cannot be loaded.
    static func make(of package: URL, in folder: URL?, isRefused: Bool) async throws -> Self {
        let manager = FileManager.default
        let hash = try hash(of: package)
        // Without a folder, and where it cannot be written, the model stays where Core ML puts it.
        let kept = (try? folder ?? usualFolder())?.appendingPathComponent("\(hash).mlmodelc")
        if let kept, manager.fileExists(atPath: kept.path) {
            guard isRefused else { return CompiledModel(url: kept, isFromEarlier: true) }
            try? manager.removeItem(at: kept)
        }
        let temporary = try await MLModel.compileModel(at: package)
        guard let kept, (try? move(temporary, to: kept)) != nil else {
            return CompiledModel(url: temporary, isFromEarlier: false)
        }
        return CompiledModel(url: kept, isFromEarlier: false)
    }

    private static func usualFolder() throws -> URL {
        let support = try FileManager.default.url(
            for: .applicationSupportDirectory, in: .userDomainMask, appropriateFor: nil,
            create: true)
        return
            support
            .appendingPathComponent(Bundle.main.bundleIdentifier ?? "TextClassifierKit")
            .appendingPathComponent("Compiled Models", isDirectory: true)
    }

    /// Moves a compiled model, so that it is whole wherever another process sees it.
    private static func move(_ compiled: URL, to kept: URL) throws {
        let manager = FileManager.default
        let folder = kept.deletingLastPathComponent()
        try manager.createDirectory(at: folder, withIntermediateDirectories: true)
        var part = folder.appendingPathComponent("\(UUID().uuidString).part")
        try manager.moveItem(at: compiled, to: part)
        #if canImport(Darwin)
            var values = URLResourceValues()
            values.isExcludedFromBackup = true
            try part.setResourceValues(values)
        #endif
        do {
            try manager.moveItem(at: part, to: kept)
        } catch {
            // Another process was faster.
            try? manager.removeItem(at: part)
            if !manager.fileExists(atPath: kept.path) { throw error }
        }
    }

    /// SHA-256 of the names and contents of a package's files, in hexadecimal digits.
    private static func hash(of package: URL) throws -> String {
        let manager = FileManager.default
        var hash = SHA256()
        for name in try manager.subpathsOfDirectory(atPath: package.path).sorted() {
            let file = package.appendingPathComponent(name)
            var isFolder: ObjCBool = false
            guard manager.fileExists(atPath: file.path, isDirectory: &isFolder), !isFolder.boolValue
            else { continue }
            let content = try Data(contentsOf: file, options: .alwaysMapped)
            hash.update(data: Data("\(name)\0\(content.count)\0".utf8))
            hash.update(data: content)
        }
        return hash.finalize().map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
    }
}
