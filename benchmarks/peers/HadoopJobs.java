// Hadoop MapReduce in one process: the LocalJobRunner, two maps at once.
// Arguments: wordcount, sort or groupsum; the input; the output directory.

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.StringTokenizer;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.io.LongWritable;
import org.apache.hadoop.io.NullWritable;
import org.apache.hadoop.io.Text;
import org.apache.hadoop.mapreduce.Job;
import org.apache.hadoop.mapreduce.Mapper;
import org.apache.hadoop.mapreduce.Partitioner;
import org.apache.hadoop.mapreduce.Reducer;
import org.apache.hadoop.mapreduce.lib.input.FileInputFormat;
import org.apache.hadoop.mapreduce.lib.output.FileOutputFormat;

public final class HadoopJobs {
  private static final int KEY_BYTES = 10;

  public static final class Tokenize extends Mapper<LongWritable, Text, Text, LongWritable> {
    private static final LongWritable ONE = new LongWritable(1);
    private final Text word = new Text();

    @Override
    protected void map(LongWritable offset, Text line, Context context)
        throws IOException, InterruptedException {
      StringTokenizer words = new StringTokenizer(line.toString());
      while (words.hasMoreTokens()) {
        word.set(words.nextToken());
        context.write(word, ONE);
      }
    }
  }

  public static final class Parse extends Mapper<LongWritable, Text, Text, LongWritable> {
    private final Text key = new Text();
    private final LongWritable number = new LongWritable();

    @Override
    protected void map(LongWritable offset, Text line, Context context)
        throws IOException, InterruptedException {
      int tab = line.find("\t");
      key.set(line.getBytes(), 0, tab);
      byte[] data = line.getBytes();
      int digits = line.getLength() - tab - 1;
      String text = new String(data, tab + 1, digits, StandardCharsets.US_ASCII);
      number.set(Long.parseLong(text));
      context.write(key, number);
    }
  }

  public static final class Total extends Reducer<Text, LongWritable, Text, LongWritable> {
    private final LongWritable total = new LongWritable();

    @Override
    protected void reduce(Text key, Iterable<LongWritable> numbers, Context context)
        throws IOException, InterruptedException {
      long sum = 0;
      for (LongWritable number : numbers) {
        sum += number.get();
      }
      total.set(sum);
      context.write(key, total);
    }
  }

  /** The key of a line is its first ten bytes. */
  public static final class Cut extends Mapper<LongWritable, Text, Text, Text> {
    private final Text key = new Text();

    @Override
    protected void map(LongWritable offset, Text line, Context context)
        throws IOException, InterruptedException {
      key.set(line.getBytes(), 0, KEY_BYTES);
      context.write(key, line);
    }
  }

  public static final class Lines extends Reducer<Text, Text, Text, NullWritable> {
    @Override
    protected void reduce(Text key, Iterable<Text> lines, Context context)
        throws IOException, InterruptedException {
      for (Text line : lines) {
        context.write(line, NullWritable.get());
      }
    }
  }

  /** Ranges of equal width of the first two bytes, which are printable and evenly drawn. */
  public static final class Ranges extends Partitioner<Text, Text> {
    private static final int FIRST = 32;
    private static final int PRINTABLE = 95;

    @Override
    public int getPartition(Text key, Text line, int partitions) {
      byte[] data = key.getBytes();
      int place = (data[0] - FIRST) * PRINTABLE + data[1] - FIRST;
      return place * partitions / (PRINTABLE * PRINTABLE);
    }
  }

  public static void main(String[] arguments) throws Exception {
    Configuration conf = new Configuration();
    conf.set("mapreduce.framework.name", "local");
    conf.set("fs.defaultFS", "file:///");
    conf.set("hadoop.tmp.dir", System.getProperty("java.io.tmpdir"));
    conf.setInt("mapreduce.local.map.tasks.maximum", 2);
    conf.setInt("mapreduce.local.reduce.tasks.maximum", 2);
    Job job = Job.getInstance(conf, arguments[0]);
    job.setJarByClass(HadoopJobs.class);
    job.setOutputKeyClass(Text.class);
    if (arguments[0].equals("sort")) {
      job.setMapperClass(Cut.class);
      job.setPartitionerClass(Ranges.class);
      job.setReducerClass(Lines.class);
      job.setMapOutputValueClass(Text.class);
      job.setOutputValueClass(NullWritable.class);
    } else if (Arrays.asList("wordcount", "groupsum").contains(arguments[0])) {
      job.setMapperClass(arguments[0].equals("wordcount") ? Tokenize.class : Parse.class);
      job.setCombinerClass(Total.class);
      job.setReducerClass(Total.class);
      job.setOutputValueClass(LongWritable.class);
    } else {
      throw new IllegalArgumentException("there is no job " + arguments[0]);
    }
    job.setNumReduceTasks(4);
    FileInputFormat.addInputPath(job, new Path(arguments[1]));
    FileOutputFormat.setOutputPath(job, new Path(arguments[2]));
    System.exit(job.waitForCompletion(false) ? 0 : 1);
  }
}
