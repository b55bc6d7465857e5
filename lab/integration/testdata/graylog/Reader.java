import com.codahale.metrics.Meter;
import com.codahale.metrics.MetricRegistry;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.graylog.plugins.pipelineprocessor.EvaluationContext;
import org.graylog.plugins.pipelineprocessor.ast.Rule;
import org.graylog.plugins.pipelineprocessor.ast.functions.Function;
import org.graylog.plugins.pipelineprocessor.ast.statements.Statement;
import org.graylog.plugins.pipelineprocessor.functions.conversion.MapConversion;
import org.graylog.plugins.pipelineprocessor.functions.conversion.StringConversion;
import org.graylog.plugins.pipelineprocessor.functions.json.JsonFlatten;
import org.graylog.plugins.pipelineprocessor.functions.messages.HasField;
import org.graylog.plugins.pipelineprocessor.functions.messages.SetField;
import org.graylog.plugins.pipelineprocessor.functions.messages.SetFields;
import org.graylog.plugins.pipelineprocessor.functions.strings.Concat;
import org.graylog.plugins.pipelineprocessor.functions.strings.Contains;
import org.graylog.plugins.pipelineprocessor.functions.strings.RegexMatch;
import org.graylog.plugins.pipelineprocessor.parser.FunctionRegistry;
import org.graylog.plugins.pipelineprocessor.parser.PipelineRuleParser;
import org.graylog2.inputs.codecs.SyslogCodec;
import org.graylog2.plugin.Message;
import org.graylog2.plugin.MessageFactory;
import org.graylog2.plugin.configuration.Configuration;
import org.graylog2.plugin.journal.RawMessage;

/** Reads syslog messages as Graylog's input does, runs a pipeline rule, prints what would be indexed: Reader RULE. */
public final class Reader {
    public static void main(String[] args) throws Exception {
        ObjectMapper json = new ObjectMapper();
        Map<String, Function<?>> functions = Map.of("has_field", new HasField(), "contains", new Contains(), "concat", new Concat(),
            "regex", new RegexMatch(), "to_string", new StringConversion(), "to_map", new MapConversion(),
            "set_field", new SetField(), "set_fields", new SetFields(), "flatten_json", new JsonFlatten(json));
        Rule rule = new PipelineRuleParser(new FunctionRegistry(functions)).parseRule(Files.readString(Path.of(args[0])), false);
        var factory = Class.forName("org.graylog2.plugin.DefaultMessageFactory").getDeclaredConstructor();
        factory.setAccessible(true);
        SyslogCodec codec = new SyslogCodec(new Configuration(Map.of("store_full_message", true, "expand_structured_data", false,
            "allow_override_date", true, "force_rdns", false, "timezone", "UTC")), new MetricRegistry(), (MessageFactory) factory.newInstance());
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null;) {
            Message m = codec.decode(new RawMessage(line.getBytes(StandardCharsets.UTF_8), new InetSocketAddress("127.0.0.1", 514)));
            EvaluationContext context = new EvaluationContext(m);
            if (rule.when().evaluateBool(context)) {
                for (Statement s : rule.then()) {
                    s.evaluate(context);
                }
            }
            if (context.hasEvaluationErrors()) {
                throw new IllegalStateException(context.evaluationErrors().toString());
            }
            Map<String, Object> fields = new TreeMap<>(m.toElasticSearchObject(json, new Meter()));
            fields.replaceAll((k, v) -> v instanceof Number || v instanceof Boolean ? v : String.valueOf(v));
            out.println(json.writeValueAsString(fields));
        }
        out.flush();
    }
}
