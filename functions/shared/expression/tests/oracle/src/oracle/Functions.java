package oracle;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Predicate;
import org.springframework.expression.spel.support.StandardEvaluationContext;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;

/** What is called with {@code #}. Every public static method of {@link Named} is one, under its own name. */
final class Functions {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final List<String> OF_AN_EXECUTION = new ArrayList<>();

  static {
    for (Method method : Named.class.getDeclaredMethods()) {
      if (method.getParameterCount() > 0 && method.getParameterTypes()[0] == Model.Execution.class) {
        OF_AN_EXECUTION.add(method.getName());
      }
    }
  }

  private Functions() {}

  static void register(StandardEvaluationContext context) {
    for (Method method : Named.class.getDeclaredMethods()) {
      if (Modifier.isPublic(method.getModifiers())) {
        context.registerFunction(method.getName(), method);
      }
    }
  }

  /** Users do not name the execution; Spinnaker writes it into the text before it parses it. */
  static String withExecution(String text) {
    String out = text;
    for (String name : OF_AN_EXECUTION) {
      String called = "#" + name + "( #root.execution, ";
      if (out.contains("#" + name) && !out.contains(called)) {
        out = out.replaceAll("#" + name + "\\(", called);
      }
    }
    // It is a name too, of all of them.
    String all = "deployedServerGroups";
    if (out.contains(all) && !out.contains("#" + all + "( #root.execution, ")) {
      out = out.replaceAll(all, "#" + all + "( #root.execution)");
    }
    return out;
  }

  private static Model.Stage first(Model.Execution execution, String what, Predicate<Model.Stage> wanted) {
    return execution.getStages().stream()
        .filter(wanted)
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no stage " + what));
  }

  private static Predicate<Model.Stage> called(String nameOrId) {
    return stage -> nameOrId != null && (nameOrId.equals(stage.getName()) || nameOrId.equals(stage.getId()));
  }

  private static Yaml yaml() {
    return new Yaml(new SafeConstructor(new LoaderOptions()));
  }

  @SuppressWarnings("unchecked")
  private static Object bound(Model.Execution execution, String key, String value) {
    Objects.requireNonNull(value);
    List<Map<String, Object>> expected =
        (List<Map<String, Object>>) execution.getTrigger().getOrDefault("resolvedExpectedArtifacts", List.of());
    return expected.stream()
        .map(one -> (Map<String, Object>) one.get("boundArtifact"))
        .filter(one -> one != null && value.equals(one.get(key)))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no artifact " + value));
  }

  /** A value that may hold {@code ${} and is written as it is. */
  record Kept(Object getExpression) {}

  private static List<?> list(Object value) {
    return value instanceof List<?> items ? items : List.of();
  }

  private static Map<String, Object> servers(Model.Stage stage, String region) {
    Map<String, Object> of = stage.getContext();
    Map<String, Object> found = new LinkedHashMap<>();
    for (String name : List.of("account", "capacity", "parentStage")) {
      found.put(name, of.get(name));
    }
    found.put("region", region);
    for (Object details : list(of.get("deploymentDetails"))) {
      if (details instanceof Map<?, ?> map && region.equals(map.get("region"))) {
        map.forEach((key, value) -> found.put(key.toString(), value));
      }
    }
    List<?> groups = list(((Map<?, ?>) of.get("deploy.server.groups")).get(region));
    if (!groups.isEmpty()) {
      found.put("serverGroup", groups.get(0));
    }
    List<Object> deployments = new ArrayList<>();
    for (Object task : list(of.get("kato.tasks"))) {
      for (Object result : list(((Map<?, ?>) task).get("resultObjects"))) {
        deployments.addAll(list(((Map<?, ?>) result).get("deployments")));
      }
    }
    found.put("deployments", deployments);
    return found;
  }

  /** The functions. */
  static final class Named {
    private Named() {}

    public static String toJson(Object value) throws Exception {
      if (value instanceof Kept kept) {
        return JSON.writeValueAsString(kept.getExpression());
      }
      String text = JSON.writeValueAsString(value instanceof Model.Document document ? document.source() : value);
      if (text.contains("${")) {
        throw new IllegalArgumentException("the result has an expression");
      }
      return text;
    }

    public static Integer toInt(String text) {
      return Integer.valueOf(text);
    }

    public static Float toFloat(String text) {
      return Float.valueOf(text);
    }

    public static Boolean toBoolean(String text) {
      return Boolean.valueOf(text);
    }

    public static String toBase64(String text) {
      return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }

    public static String fromBase64(String text) {
      return new String(Base64.getDecoder().decode(text), StandardCharsets.UTF_8);
    }

    public static String alphanumerical(String text) {
      return text.replaceAll("[^A-Za-z0-9]", "");
    }

    public static Object readJson(String text) throws Exception {
      Class<?> type = text.startsWith("[") ? List.class : Map.class;
      return JSON.readValue(text, type);
    }

    public static Object readYaml(String text) {
      return yaml().load(text);
    }

    public static Object readAllYaml(String text) {
      List<Object> documents = new ArrayList<>();
      yaml().loadAll(text).forEach(documents::add);
      return documents;
    }

    public static Model.Stage stage(Model.Execution execution, String nameOrId) {
      return first(execution, nameOrId, called(nameOrId));
    }

    public static boolean stageExists(Model.Execution execution, String nameOrId) {
      return execution.getStages().stream().anyMatch(called(nameOrId));
    }

    public static Model.Stage stageByRefId(Model.Execution execution, String refId) {
      Objects.requireNonNull(refId);
      return first(execution, refId, stage -> refId.equals(stage.getRefId()));
    }

    public static Model.Stage currentStage(Model.Execution execution) {
      Object id = execution.source().get("currentStageId");
      return first(execution, String.valueOf(id), stage -> stage.getId().equals(id));
    }

    public static String judgment(Model.Execution execution, String name) {
      Predicate<Model.Stage> judged =
          stage ->
              name != null
                  && name.equals(stage.getName())
                  && stage.getType().equals("manualJudgment")
                  && stage.getContext().get("judgmentInput") != null;
      return (String) first(execution, name, judged).getContext().get("judgmentInput");
    }

    public static String judgement(Model.Execution execution, String name) {
      return judgment(execution, name);
    }

    public static Object triggerResolvedArtifact(Model.Execution execution, String name) {
      return bound(execution, "name", name);
    }

    public static Object triggerResolvedArtifactByType(Model.Execution execution, String type) {
      return bound(execution, "type", type);
    }

    @SuppressWarnings("unchecked")
    public static String manifestLabelValue(Model.Execution execution, String stage, String kind, String label) {
      if (!List.of("Deployment", "ReplicaSet").contains(kind) || label == null) {
        throw new IllegalArgumentException("a label of a Deployment or a ReplicaSet");
      }
      Model.Stage found =
          first(
              execution,
              stage,
              one -> one.getName().equals(stage) && one.getType().equals("deployManifest") && one.getHasSucceeded());
      List<Map<String, Object>> manifests =
          (List<Map<String, Object>>) found.getContext().getOrDefault("manifests", List.of());
      Object at =
          manifests.stream()
              .filter(one -> kind.equals(one.get("kind")))
              .findFirst()
              .orElseThrow(() -> new IllegalArgumentException("no manifest " + kind));
      for (String key : List.of("spec", "template", "metadata", "labels", label)) {
        if (!(at instanceof Map<?, ?> map && map.containsKey(key))) {
          throw new IllegalArgumentException("no label " + label);
        }
        at = map.get(key);
      }
      return (String) at;
    }

    public static Kept doNotEval(Object value) {
      return new Kept(value);
    }

    public static String currentUser(Model.Execution execution) {
      return execution.getAuthentication().getUser();
    }

    public static List<Map<String, Object>> deployedServerGroups(Model.Execution execution, String... namesOrIds) {
      List<String> wanted = List.of(namesOrIds);
      List<Map<String, Object>> found = new ArrayList<>();
      for (Model.Stage stage : execution.getStages()) {
        boolean deploys =
            List.of("deploy", "createServerGroup", "cloneServerGroup", "rollingPush").contains(stage.getType())
                && stage.getContext().containsKey("deploy.server.groups")
                && stage.getHasSucceeded();
        if (deploys && (wanted.isEmpty() || wanted.contains(stage.getName()) || wanted.contains(stage.getId()))) {
          Object region = stage.getContext().get("region");
          if (region == null && stage.getContext().get("availabilityZones") instanceof Map<?, ?> zones) {
            region = zones.keySet().iterator().next();
          }
          if (region != null) {
            found.add(servers(stage, region.toString()));
          }
        }
      }
      return found;
    }
  }
}
