// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "TextClassifierKit",
    platforms: [.macOS(.v13), .iOS(.v16)],
    products: [
        .library(name: "TextClassifierKit", targets: ["TextClassifierKit"]),
        .library(name: "TextClassifierApp", targets: ["TextClassifierApp"]),
    ],
    targets: [
        .target(name: "TextClassifierKit", resources: [.process("Resources")]),
        .target(name: "TextClassifierApp", dependencies: ["TextClassifierKit"]),
        .executableTarget(name: "classify", dependencies: ["TextClassifierKit"]),
        .testTarget(name: "TokenizerTests", dependencies: ["TextClassifierKit"]),
        .testTarget(name: "TextClassifierKitTests", dependencies: ["TextClassifierKit"]),
        .testTarget(name: "TextClassifierAppTests", dependencies: ["TextClassifierApp"]),
    ]
)

#if os(Linux)
// Stand-ins for Apple's frameworks, and tools for the Python tests. An export leaves them out.
package.targets += [
    .target(name: "Evaluator", path: "Stubs/Evaluator"),
    .target(
        name: "CoreML", dependencies: ["Evaluator"], path: "Stubs/CoreML",
        swiftSettings: [.swiftLanguageMode(.v5)]),
    .target(name: "CryptoKit", path: "Stubs/CryptoKit"),
    .target(name: "AppIntents", path: "Stubs/AppIntents"),
    .target(name: "AppKit", path: "Stubs/AppKit"),
    .target(name: "SwiftUI", dependencies: ["UniformTypeIdentifiers"], path: "Stubs/SwiftUI"),
    .target(name: "UniformTypeIdentifiers", path: "Stubs/UniformTypeIdentifiers"),
    .target(
        name: "TextClassifierSample",
        dependencies: ["TextClassifierApp", "AppIntents", "AppKit", "SwiftUI"],
        path: "App/TextClassifierSample"),
    .executableTarget(
        name: "scenarios", dependencies: ["TextClassifierKit"], path: "Tools/scenarios"),
    .executableTarget(
        name: "tokenize", dependencies: ["TextClassifierKit"], path: "Tools/tokenize"),
]
for target in package.targets where target.name.hasPrefix("TextClassifierKit") {
    target.dependencies += ["CoreML", "CryptoKit"]
}
// Systems before macOS 27 do not have it: a test builds the package without.
if Context.environment["WITHOUT_CORE_AI"] == nil {
    package.targets.append(
        .target(name: "CoreAI", dependencies: ["Evaluator"], path: "Stubs/CoreAI"))
    for target in package.targets where target.name.hasPrefix("TextClassifierKit") {
        target.dependencies.append("CoreAI")
    }
}
#endif
