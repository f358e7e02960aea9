package oracle;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The objects among the maps: an execution and its stages, with the getters that expressions see. */
public final class Model {
  private Model() {}

  /** As Spinnaker has it: compared to a text it is never equal, its {@code toString()} may be. */
  public enum Status {
    NOT_STARTED,
    RUNNING,
    PAUSED,
    SUSPENDED,
    BUFFERED,
    REDIRECT,
    SUCCEEDED,
    SKIPPED,
    FAILED_CONTINUE,
    TERMINAL,
    CANCELED,
    STOPPED;

    public boolean isSuccessful() {
      return this == SUCCEEDED || this == STOPPED || this == SKIPPED;
    }

    public boolean isFailure() {
      return this == TERMINAL || this == STOPPED || this == FAILED_CONTINUE;
    }

    public boolean isComplete() {
      return isSuccessful() || isFailure() || this == CANCELED;
    }

    public boolean isHalt() {
      return this == TERMINAL || this == CANCELED || this == STOPPED;
    }
  }

  /** Answers are written from what an object was made of. */
  interface Document {
    Map<String, Object> source();
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> map(Object value) {
    return value instanceof Map ? (Map<String, Object>) value : new LinkedHashMap<>();
  }

  private static Long number(Object value) {
    return value instanceof Number number ? number.longValue() : null;
  }

  private static Status status(Object value) {
    return value == null ? Status.NOT_STARTED : Status.valueOf(value.toString());
  }

  private static boolean flag(Object value) {
    return Boolean.TRUE.equals(value);
  }

  /** Who started it. */
  public static final class Authentication implements Document {
    private final Map<String, Object> source;

    Authentication(Map<String, Object> source) {
      this.source = source;
    }

    @Override
    public Map<String, Object> source() {
      return source;
    }

    public String getUser() {
      return (String) source.get("user");
    }

    @SuppressWarnings("unchecked")
    public Collection<String> getAllowedAccounts() {
      return (Collection<String>) source.get("allowedAccounts");
    }
  }

  /** A run. */
  public static final class Execution implements Document {
    private final Map<String, Object> source;
    private final List<Stage> stages = new ArrayList<>();

    Execution(Map<String, Object> source) {
      this.source = source;
      if (source.get("stages") instanceof List<?> list) {
        list.forEach(stage -> stages.add(new Stage(map(stage))));
      }
    }

    @Override
    public Map<String, Object> source() {
      return source;
    }

    public String getId() {
      return (String) source.get("id");
    }

    public String getApplication() {
      return (String) source.get("application");
    }

    public String getName() {
      return (String) source.get("name");
    }

    public String getPipelineConfigId() {
      return (String) source.get("pipelineConfigId");
    }

    public String getDescription() {
      return (String) source.get("description");
    }

    public String getOrigin() {
      return (String) source.get("origin");
    }

    public Status getStatus() {
      return status(source.get("status"));
    }

    public Long getBuildTime() {
      return number(source.get("buildTime"));
    }

    public Long getStartTime() {
      return number(source.get("startTime"));
    }

    public Long getEndTime() {
      return number(source.get("endTime"));
    }

    public boolean isCanceled() {
      return flag(source.get("canceled"));
    }

    public boolean isLimitConcurrent() {
      return flag(source.get("limitConcurrent"));
    }

    public Map<String, Object> getTrigger() {
      return map(source.get("trigger"));
    }

    public Authentication getAuthentication() {
      return new Authentication(map(source.get("authentication")));
    }

    public List<Stage> getStages() {
      return stages;
    }
  }

  /** A stage of a run. */
  public static final class Stage implements Document {
    private final Map<String, Object> source;

    Stage(Map<String, Object> source) {
      this.source = source;
    }

    @Override
    public Map<String, Object> source() {
      return source;
    }

    public String getId() {
      return (String) source.get("id");
    }

    public String getRefId() {
      return (String) source.get("refId");
    }

    public String getType() {
      return (String) source.get("type");
    }

    public String getName() {
      return (String) source.get("name");
    }

    public String getParentStageId() {
      return (String) source.get("parentStageId");
    }

    @SuppressWarnings("unchecked")
    public Collection<String> getRequisiteStageRefIds() {
      return (Collection<String>) source.get("requisiteStageRefIds");
    }

    public Status getStatus() {
      return status(source.get("status"));
    }

    public Long getStartTime() {
      return number(source.get("startTime"));
    }

    public Long getEndTime() {
      return number(source.get("endTime"));
    }

    public Map<String, Object> getContext() {
      return map(source.get("context"));
    }

    public Map<String, Object> getOutputs() {
      return map(source.get("outputs"));
    }

    public boolean getHasSucceeded() {
      return getStatus() == Status.SUCCEEDED;
    }

    public boolean getHasFailed() {
      return getStatus().isFailure();
    }
  }
}
