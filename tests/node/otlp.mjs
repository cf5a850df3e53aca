// OpenTelemetry's JavaScript exporters against the OTLP door, in JSON and in protobuf.
//
//     node otlp.mjs PACKAGES URL TENANT [AUTHORIZATION]
//
// PACKAGES is the folder whose node_modules holds the packages of package.json, AUTHORIZATION the header of that name.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [packages, url, tenant, authorization] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${packages}/index.js`));
const { LoggerProvider, BatchLogRecordProcessor } = require("@opentelemetry/sdk-logs");

for (const kind of ["http", "proto"]) {
  const { OTLPLogExporter } = require(`@opentelemetry/exporter-logs-otlp-${kind}`);
  const exporter = new OTLPLogExporter({ url: `${url}/otlp/${tenant}/v1/logs`, ...(authorization && { headers: { authorization } }) });
  const provider = new LoggerProvider({ processors: [new BatchLogRecordProcessor({ exporter })] });
  const logger = provider.getLogger(`js-${kind}`);
  for (let number = 0; number < 600; number++) {
    logger.emit({
      eventName: "user.login", severityNumber: 17, body: { text: "登录", number }, attributes: { "user.name": "bob", whole: 2 ** 40, list: ["a", 1] },
    });
    if (number % 200 === 199) await provider.forceFlush();
  }
  await provider.shutdown();
}
console.log("ok");
